"""bench_peers - the servers that are measured: how each is started, found ready, watched and stopped."""
import ctypes
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time

READY_SECONDS = 60
PR_SET_PDEATHSIG = 1
HTTP_VALUE = b"x" * 100
NGINX = """worker_processes 1; daemon off; pid %(d)s/pid; error_log %(d)s/error;
%(user)s
events { worker_connections 1024; }
http {
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    open_file_cache max=100; open_file_cache_valid 1h; default_type application/octet-stream;
    client_body_temp_path %(d)s/t1; proxy_temp_path %(d)s/t2; fastcgi_temp_path %(d)s/t3;
    uwsgi_temp_path %(d)s/t4; scgi_temp_path %(d)s/t5;
    server { listen 127.0.0.1:%(port)d; root %(d)s/www; }
}
"""


class BenchError(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def version_of(program, *args):
    out = subprocess.run([program, *args], capture_output=True, text=True, check=False).stdout
    return out.splitlines()[0] if out else ""


# --- how a server is started: (bench, directory, durability, tls) -> command, gridload switches, port ----------------

def gridd(bench, directory, durability, tls, more=""):
    ports = {name: free_port() for name in ("client", "peer", "http", "resp")}
    conf = os.path.join(directory, "gridd.conf")
    with open(conf, "w") as f:
        f.write('node { name = "bench"  grid = "bench"  data = "%s/data" %s }\n' % (directory, more))
        f.write("listen { %s }\n" % "  ".join('%s = "127.0.0.1:%d"' % item for item in ports.items()))
        f.write("storage { shards = 1 }\n")
        if tls:
            f.write('tls { ca = "%(ca)s"  cert = "%(cert)s"  key = "%(key)s" }\n' % tls)
    cache = ["--cache", "bench-%s/entries" % durability, "--durability", durability]
    return [bench.built("gridd"), "--config", conf], ["--protocol", "grid", *cache], ports


def gridd_grid(bench, directory, durability, tls):
    command, switches, ports = gridd(bench, directory, durability, tls)
    return command, switches, ports["client"]


def gridd_native(bench, directory, durability, tls):
    """With a module in C: what is written is written by a task of it (bench_module.c)."""
    modules = 'module_dir = "%s"' % bench.built("bench/modules")
    command, switches, ports = gridd(bench, directory, durability, tls, modules)
    return command, [*switches, "--task", "bench.add"], ports["client"]


def gridd_resp(bench, directory, durability, tls):
    """The same daemon, spoken to as a Redis client does; prepare() makes the cache."""
    command, switches, ports = gridd(bench, directory, durability, tls)
    return command, ["--protocol", "resp", *switches[2:4]], ports["resp"]


def gridd_http(bench, directory, durability, tls):
    command, _, ports = gridd(bench, directory, durability, tls)
    return command, [], ports["http"]


def nginx(_bench, directory, _durability, _tls):
    """A file of HTTP_VALUE at /key."""
    port = free_port()
    os.makedirs(directory + "/www")
    with open(directory + "/www/key", "wb") as f:
        f.write(HTTP_VALUE)
    with open(directory + "/nginx.conf", "w", encoding="ascii") as f:
        f.write(NGINX % {"d": directory, "port": port, "user": "user root;" if os.getuid() == 0 else ""})
    return ["nginx", "-c", directory + "/nginx.conf"], [], port


def make_cache(server, durability):
    """A context and a cache as the grid protocol's client makes them by itself."""
    conf = open(os.path.join(server.directory, "gridd.conf")).read()
    endpoint = conf.split('client = "')[1].split('"')[0]
    ctl = [server.bench.built("gridctl"), "--endpoints", endpoint]
    if server.certificates:
        ctl += ["--ca", server.certificates["ca"], "--cert", server.certificates["client_cert"],
                "--key", server.certificates["client_key"]]
    context = "bench-" + durability
    for command in (["context", "create", context, "--durability", durability],
                    ["cache", "create", context + "/entries"]):
        done = subprocess.run([*ctl, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError("gridctl %s: %s" % (" ".join(command), done.stderr))


def redis(_bench, directory, durability, tls):
    port = free_port()
    appendonly = {"memory": ["no"], "async": ["yes", "--appendfsync", "everysec"],
                  "sync": ["yes", "--appendfsync", "always"]}[durability]
    listen = ["--port", str(port)]
    if tls:
        listen = ["--port", "0", "--tls-port", str(port), "--tls-ca-cert-file", tls["ca"],
                  "--tls-cert-file", tls["cert"], "--tls-key-file", tls["key"]]
    command = ["redis-server", *listen, "--bind", "127.0.0.1", "--dir", directory,
               "--save", "", "--appendonly", *appendonly]
    return command, ["--protocol", "resp"], port


def memcached(_bench, _directory, _durability, _tls):
    port = free_port()
    user = ["-u", "root"] if os.getuid() == 0 else []  # a change of user would undo "die with the driver"
    command = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-t", "1", "-m", "8192", "-c", "8192", *user]
    return command, ["--protocol", "memcached"], port


def echo(bench, _directory, _durability, tls):
    port = free_port()
    command = [bench.built("bench/echo_server"), str(port)]
    return command + (["--tls", tls["cert"], tls["key"], tls["ca"]] if tls else []), ["--protocol", "echo"], port


PEERS = {"gridd": gridd_grid, "gridd-resp": gridd_resp, "gridd-http": gridd_http, "redis": redis,
         "nginx": nginx, "gridd-native": gridd_native, "memcached": memcached, "echo": echo}


class Server:
    """One running server. start() may be called again after kill(): same directory, same port."""

    def __init__(self, bench, name, durability="memory", tls=False):
        self.bench, self.name, self.durability = bench, name, durability
        self.directory = tempfile.mkdtemp(prefix=name + "-", dir=bench.directory)
        self.certificates = bench.certificates() if tls else None
        self.command, self.switches, self.port = PEERS[name](bench, self.directory, durability, self.certificates)
        self.switches = [*self.switches, "--port", str(self.port)]
        if tls:
            self.switches += ["--tls-ca", self.certificates["ca"], "--tls-cert", self.certificates["client_cert"],
                              "--tls-key", self.certificates["client_key"]]
        self.process = None
        self.prepared = False
        self.started_ns = 0

    def start(self):
        self.started_ns = time.monotonic_ns()
        log = open(os.path.join(self.directory, "log"), "ab")
        try:
            self.process = self.bench.spawn(self.command, self.bench.server_cpu, stdout=log, stderr=log)
        except OSError as e:
            raise BenchError("%s does not start: %s" % (self.name, e)) from e
        finally:
            log.close()

    def wait_ready(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise BenchError("%s ended at once:\n%s" % (self.name, self.log_tail()))
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                if self.name in ("gridd-resp", "gridd-http") and not self.prepared:
                    make_cache(self, self.durability)
                    self.prepared = True
                return self
            except OSError:
                time.sleep(0.02)
        raise BenchError("%s is not ready after %d s:\n%s" % (self.name, READY_SECONDS, self.log_tail()))

    def log_tail(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as f:
            return "".join(f.readlines()[-10:])

    def rss_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def load(self, *switches):
        return self.bench.gridload(*self.switches, "--server-pid", str(self.process.pid), *switches)

    def kill(self):
        if self.process:
            if self.name == "nginx":  # ends its worker, too
                self.process.terminate()
                self.process.wait()
            self.process.kill()
            self.process.wait()
            self.process = None


class Bench:
    """What all scenarios share: processors, the directory, the servers that run, the load generator."""

    def __init__(self, args):
        self.args = args
        cpus = sorted(os.sched_getaffinity(0))
        self.client_cpu, self.server_cpu = cpus[0], cpus[-1]
        self.servers = []
        self.paths = None
        self.absent = set()
        self.machine = {"processor": self.processor(), "memory_gb_per_second": self.memory_rate()}
        if shutil.which("redis-server") and shutil.which("memcached"):
            self.machine |= {"processors": len(cpus), "kernel": platform.release(),
                             "redis": version_of("redis-server", "--version"),
                             "memcached": version_of("memcached", "--version")}
        self.settings = {k: getattr(args, k) for k in ("rounds", "seconds", "keys", "restart_keys", "quick")}

    def __enter__(self):
        os.makedirs(self.args.build, exist_ok=True)  # the disk of the build: /tmp is memory on many systems
        self.directory = tempfile.mkdtemp(prefix="bench-", dir=os.path.abspath(self.args.build))
        return self

    def __exit__(self, *_):
        self.stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def processor():
        with open("/proc/cpuinfo") as f:
            names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
        return names[0] if names else platform.machine()

    @staticmethod
    def memory_rate():
        """How fast a process is given memory, GB/s: a host that lends it to this machine page by page is slow."""
        taken, at = 1 << 29, time.monotonic()
        _ = b"\1" * taken
        return taken / 1e9 / (time.monotonic() - at)

    def built(self, name):
        return os.path.join(os.path.abspath(self.args.build), name)

    def present(self, name):
        """Whether a peer was asked for and can be run here."""
        if self.args.peers and name not in self.args.peers:
            return False
        gridd_path = self.built("gridd")
        program = {"gridd": gridd_path, "gridd-resp": gridd_path, "gridd-http": gridd_path,
                   "gridd-3": gridd_path, "gridd-native": gridd_path,
                   "echo": self.built("bench/echo_server"),
                   "redis": "redis-server"}
        found = shutil.which(program.get(name, name)) is not None
        if not found and name not in self.absent:
            self.absent.add(name)
            print("(%s is not there: left out)" % name, flush=True)
        return found

    def spawn(self, command, cpu, **files):
        libc = ctypes.CDLL(None)

        def prepare():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nothing outlives the driver, however it ends
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        files.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(command, start_new_session=True, preexec_fn=prepare, **files)

    def server(self, name, durability="memory", tls=False):
        s = Server(self, name, durability, tls)
        self.servers.append(s)
        s.start()
        return s.wait_ready()

    def stop_all(self):
        for s in self.servers:
            s.kill()
            shutil.rmtree(s.directory, ignore_errors=True)
        self.servers = []

    def gridload(self, *switches):
        command = [self.built("bench/gridload"), *switches]
        with self.spawn(command, self.client_cpu, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            try:
                out, err = p.communicate()
            except BaseException:
                p.kill()
                raise
        if p.returncode != 0:
            raise BenchError("%s\n%s%s" % (" ".join(command), err, out))
        return json.loads(out)

    def certificates(self):
        """A CA of our own and one certificate for both ends, by openssl."""
        if self.paths:
            return self.paths
        d = os.path.join(self.directory, "certs")
        os.mkdir(d)
        at = {k: os.path.join(d, k + ".pem") for k in ("ca", "ca_key", "cert", "key", "csr", "ext")}
        with open(at["ext"], "w") as f:
            f.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        for command in (
            ["req", "-x509", *curve, "-keyout", at["ca_key"], "-out", at["ca"], "-days", "2", "-subj", "/CN=bench CA"],
            ["req", *curve, "-keyout", at["key"], "-out", at["csr"], "-subj", "/CN=bench"],
            ["x509", "-req", "-in", at["csr"], "-CA", at["ca"], "-CAkey", at["ca_key"], "-CAcreateserial",
             "-out", at["cert"], "-days", "2", "-extfile", at["ext"]],
        ):
            done = subprocess.run(["openssl", *command], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise BenchError("openssl: " + done.stderr)
        self.paths = {**at, "client_cert": at["cert"], "client_key": at["key"]}
        return self.paths
