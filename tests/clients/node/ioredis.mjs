// ioredis.mjs PORT [MASTERS] - what ioredis's documentation shows, with a server at 127.0.0.1:PORT, alone and as a
// cluster of so many masters.
import Redis from 'ioredis';
import { assert, claim, finish, masters, port, until } from './checks.mjs';

async function basics(redis, mode) {
  await claim(`ioredis ${mode}: set and get with options`, async () => {
    assert.equal(await redis.set('{i}key', 'value', 'EX', 100), 'OK');
    assert.equal(await redis.get('{i}key'), 'value');
    assert.equal(await redis.set('{i}key', 'other', 'NX'), null);
    assert.equal(await redis.ttl('{i}key'), 100);
    assert.deepEqual(await redis.getBuffer('{i}key'), Buffer.from('value'));
    await redis.mset({ '{i}a': '1', '{i}b': '2' });
    assert.deepEqual(await redis.mget('{i}a', '{i}b', '{i}c'), ['1', '2', null]);
    assert.equal(await redis.del('{i}a', '{i}b', '{i}c'), 2);
  });
  await claim(`ioredis ${mode}: hgetall is an object, hset takes one`, async () => {
    assert.equal(await redis.hset('{i}hash', { name: 'Bob', age: 20 }), 2);
    assert.deepEqual(await redis.hgetall('{i}hash'), { name: 'Bob', age: '20' });
    assert.equal(await redis.hincrby('{i}hash', 'age', 1), 21);
    assert.deepEqual(await redis.hmget('{i}hash', 'age', 'none'), ['21', null]);
    assert.deepEqual(await redis.hgetall('{i}none'), {});
  });
  await claim(`ioredis ${mode}: a pipeline keeps errors apart`, async () => {
    const answers = await redis.pipeline().set('{i}p', 'abc').incr('{i}p').get('{i}p').exec();
    assert.deepEqual(answers[0], [null, 'OK']);
    assert.match(answers[1][0].message, /^ERR value is not an integer or out of range$/);
    assert.deepEqual(answers[2], [null, 'abc']);
  });
  await claim(`ioredis ${mode}: multi is atomic, and is undone by a wrong command`, async () => {
    assert.deepEqual(await redis.multi().set('{i}m', '1').incr('{i}m').exec(), [[null, 'OK'], [null, 2]]);
    await assert.rejects(redis.multi().set('{i}m').set('{i}m', '9').exec(), /EXECABORT/);
    assert.equal(await redis.get('{i}m'), '2');
  });
  await claim(`ioredis ${mode}: thousands of requests in flight are answered in order`, async () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `iopipe${i}`);
    await Promise.all(keys.map((key, i) => redis.set(key, i)));
    assert.deepEqual(await Promise.all(keys.map((key) => redis.get(key))), keys.map((_, i) => String(i)));
  });
}

const redis = new Redis({ port, host: '127.0.0.1' });
redis.on('error', (fault) => console.log(`# ioredis: ${fault}`));
await redis.flushall();
await basics(redis, 'alone');
await claim('ioredis: watch makes exec answer null after a change by another', async () => {
  const other = redis.duplicate();
  await redis.watch('{i}w');
  await other.set('{i}w', 'x');
  assert.equal(await redis.multi().set('{i}w', 'y').exec(), null);
  other.disconnect();
});
await claim('ioredis: subscribers hear of channels, patterns and shards', async () => {
  const subscriber = new Redis({ port, host: '127.0.0.1' });
  const heard = [];
  subscriber.on('message', (channel, message) => heard.push(['m', channel, message]));
  subscriber.on('pmessage', (pattern, channel, message) => heard.push(['p', pattern, channel, message]));
  subscriber.on('smessage', (channel, message) => heard.push(['s', channel, message]));
  assert.equal(await subscriber.subscribe('news', 'music'), 2);
  assert.equal(await subscriber.psubscribe('n?ws'), 3);
  assert.equal(await subscriber.ssubscribe('{i}shard'), 1);
  assert.equal(await redis.publish('news', 'hello'), 2);
  assert.equal(await redis.spublish('{i}shard', 'hi'), 1);
  await until(() => heard.length === 3);
  assert.deepEqual(heard.sort(), [['m', 'news', 'hello'], ['p', 'n?ws', 'news', 'hello'], ['s', '{i}shard', 'hi']]);
  await subscriber.unsubscribe('news', 'music');
  await subscriber.punsubscribe('n?ws');
  await subscriber.sunsubscribe('{i}shard');
  assert.equal(await redis.publish('news', 'nobody'), 0);
  subscriber.disconnect();
});
await claim('ioredis: streams of scan and hscan find everything', async () => {
  const found = new Set();
  for await (const keys of redis.scanStream({ match: 'iopipe*', count: 100 })) keys.forEach((key) => found.add(key));
  assert.equal(found.size, 5000);
  await redis.hset('{i}big', new Map(Array.from({ length: 1000 }, (_, i) => [`f${i}`, i])));
  const fields = new Map();
  for await (const flat of redis.hscanStream('{i}big')) {
    for (let i = 0; i < flat.length; i += 2) fields.set(flat[i], flat[i + 1]);
  }
  assert.equal(fields.size, 1000);
});
await claim('ioredis: requests of one turn go out as one pipeline', async () => {
  const auto = new Redis({ port, host: '127.0.0.1', enableAutoPipelining: true });
  await Promise.all(Array.from({ length: 100 }, () => auto.incr('{i}auto')));
  assert.equal(await auto.get('{i}auto'), '100');
  auto.disconnect();
});
await claim('ioredis: after a lost connection it comes back and asks again', async () => {
  const id = await redis.client('ID');
  const other = redis.duplicate();
  assert.equal(await other.client('KILL', 'ID', id), 1);
  other.disconnect();
  assert.equal(await redis.get('{i}m'), '2');
});
await claim('ioredis: the client gives its name and quits', async () => {
  const named = new Redis({ port, host: '127.0.0.1', connectionName: 'me' });
  assert.equal(await named.client('GETNAME'), 'me');
  assert.match(await named.client('LIST'), /name=me/);
  assert.equal(await named.quit(), 'OK');
});
await redis.flushall();
redis.disconnect();

const cluster = new Redis.Cluster([{ port, host: '127.0.0.1' }]);
cluster.on('error', (fault) => console.log(`# ioredis: ${fault}`));
await basics(cluster, 'cluster');
await claim('ioredis cluster: masters have all slots, and keys of two slots are refused together', async () => {
  assert.equal(cluster.nodes('master').length, masters);
  await assert.rejects(cluster.rename('a', 'b'), /CROSSSLOT/);
});
cluster.disconnect();
finish();
