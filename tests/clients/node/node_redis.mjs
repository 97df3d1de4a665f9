// node_redis.mjs PORT [MASTERS] - what node-redis's documentation shows, with a server at 127.0.0.1:PORT, alone and as
// a cluster of so many masters.
import { createClient, createCluster, ErrorReply, WatchError } from 'redis';
import { assert, claim, finish, masters, port, until } from './checks.mjs';

const url = `redis://127.0.0.1:${port}`;

async function basics(client, mode) {
  await claim(`node-redis ${mode}: set and get with options`, async () => {
    await client.set('{n}key', 'value');
    assert.equal(await client.get('{n}key'), 'value');
    assert.equal(await client.get('{n}missing'), null);
    assert.equal(await client.set('{n}key', 'other', { NX: true }), null);
    assert.equal(await client.set('{n}key', 'other', { EX: 100, GET: true }), 'value');
    assert.equal(await client.ttl('{n}key'), 100);
    assert.equal(await client.getDel('{n}key'), 'other');
    assert.deepEqual(await client.mGet(['{n}key', '{n}missing']), [null, null]);
  });
  await claim(`node-redis ${mode}: counters`, async () => {
    assert.equal(await client.incr('{n}count'), 1);
    assert.equal(await client.incrBy('{n}count', 41), 42);
    assert.equal(Number(await client.incrByFloat('{n}fraction', 0.5)), 0.5);
  });
  await claim(`node-redis ${mode}: a hash is an object`, async () => {
    assert.equal(await client.hSet('{n}bike', { model: 'Deimos', brand: 'Ergonom', price: 4972 }), 3);
    assert.equal(await client.hGet('{n}bike', 'model'), 'Deimos');
    assert.deepEqual({ ...(await client.hGetAll('{n}bike')) }, { model: 'Deimos', brand: 'Ergonom', price: '4972' });
    assert.equal(await client.hIncrBy('{n}bike', 'price', 100), 5072);
    assert.deepEqual(await client.hmGet('{n}bike', ['model', 'none']), ['Deimos', null]);
    assert.equal(await client.hDel('{n}bike', ['model', 'brand']), 2);
    assert.deepEqual(await client.hKeys('{n}bike'), ['price']);
  });
  await claim(`node-redis ${mode}: a transaction answers for each of its commands`, async () => {
    const answers = await client.multi().set('{n}a', '1').incr('{n}a').hSet('{n}b', 'f', 'v').get('{n}a').exec();
    assert.deepEqual(answers, ['OK', 2, 1, '2']);
  });
  await claim(`node-redis ${mode}: an error is an ErrorReply with the server's text`, async () => {
    const wrong = (fault) => fault instanceof ErrorReply && /^WRONGTYPE /.test(fault.message);
    await assert.rejects(client.hGet('{n}a', 'f'), wrong);
    await assert.rejects(client.sendCommand(...(mode === 'cluster' ? [undefined, true] : []), ['NOSUCH']),
      /unknown command 'NOSUCH'/);
  });
  await claim(`node-redis ${mode}: ten thousand requests sent together are answered in order`, async () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `pipe${i}`);
    await Promise.all(keys.map((key, i) => client.set(key, String(i))));
    const values = await Promise.all(keys.map((key) => client.get(key)));
    assert.deepEqual(values, keys.map((_, i) => String(i)));
  });
}

for (const RESP of [2, 3]) {
  const client = createClient({ url, RESP });
  client.on('error', (fault) => console.log(`# node-redis: ${fault}`));
  await client.connect();
  await client.flushAll();
  await basics(client, `RESP${RESP}`);
  await claim(`node-redis RESP${RESP}: a watched key that another changes is a WatchError`, async () => {
    const other = client.duplicate();
    await other.connect();
    await client.watch('{n}watched');
    await other.set('{n}watched', 'x');
    await assert.rejects(client.multi().set('{n}watched', 'y').exec(), WatchError);
    assert.equal(await client.get('{n}watched'), 'x');
    other.destroy();
  });
  await claim(`node-redis RESP${RESP}: subscribers hear of channels and patterns`, async () => {
    const subscriber = client.duplicate();
    await subscriber.connect();
    const heard = [];
    await subscriber.subscribe('news', (message, channel) => heard.push([channel, message]));
    await subscriber.pSubscribe('ne*', (message, channel) => heard.push(['p' + channel, message]));
    assert.equal(await client.publish('news', 'hello'), 2);
    await until(() => heard.length === 2);
    assert.deepEqual(heard.sort(), [['news', 'hello'], ['pnews', 'hello']]);
    await subscriber.unsubscribe('news');
    await subscriber.pUnsubscribe('ne*');
    assert.equal(await client.publish('news', 'nobody'), 0);
    assert.equal(String(await subscriber.ping()), 'PONG');
    subscriber.destroy();
  });
  await claim(`node-redis RESP${RESP}: the scan iterator finds every key`, async () => {
    const found = new Set();
    for await (const keys of client.scanIterator({ MATCH: 'pipe*', COUNT: 100 })) keys.forEach((key) => found.add(key));
    assert.equal(found.size, 5000);
    await client.hSet('{n}big', Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, `${i}`])));
    const fields = new Map();
    for await (const entries of client.hScanIterator('{n}big')) entries.forEach((e) => fields.set(e.field, e.value));
    assert.equal(fields.size, 1000);
    assert.equal(fields.get('f77'), '77');
  });
  await claim(`node-redis RESP${RESP}: bytes stay bytes`, async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await client.set('{n}bytes', bytes);
    const answer = await client.sendCommand(['GETRANGE', '{n}bytes', '0', '127']);
    assert.deepEqual(Buffer.from(answer), bytes.subarray(0, 128));
    assert.equal(await client.strLen('{n}bytes'), 256);
  });
  await client.flushAll();
  client.destroy();
}

const cluster = createCluster({ rootNodes: [{ url }] });
cluster.on('error', (fault) => console.log(`# node-redis: ${fault}`));
await claim('node-redis cluster: it connects', () => cluster.connect());
await basics(cluster, 'cluster');
await claim('node-redis cluster: its masters are known', async () => assert.equal(cluster.masters.length, masters));
await claim('node-redis cluster: sharded publish and subscribe', async () => {
  const heard = [];
  await cluster.sSubscribe('{n}shard', (message) => heard.push(message));
  assert.equal(await cluster.sPublish('{n}shard', 'hello'), 1);
  await until(() => heard.length === 1);
  await cluster.sUnsubscribe('{n}shard');
});
finish();
