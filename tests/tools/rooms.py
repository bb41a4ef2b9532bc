"""The rooms of the code and what each may include: the table of docs/ARCHITECTURE.md, as data for the tests."""

# room: (other rooms, third-party headers by the beginning of their path)
ROOMS = {
    "base": ((), ("fmt/", "tl/")),
    "core": (("base",), ("fmt/",)),
    "ports": (("base", "core"), ()),
    "x509": (("base", "core"), ("fmt/", "openssl/")),
    "engine": (("base", "core", "ports", "x509"), ("fmt/",)),
    "config": (("base", "core"), ("fmt/", "toml++/")),
    "store": (("base", "core", "ports"), ("fmt/", "sqlite3.h", "openssl/")),
    "ca": (("base", "core", "ports", "x509", "store"), ("fmt/",)),
    "issuer": (("base", "core", "ports", "x509", "store", "ca"), ("fmt/",)),
    "files": (("base", "core", "ports", "x509"), ("fmt/", "nlohmann/", "openssl/")),
    "postgres": (("base", "core", "ports", "x509"), ("fmt/", "libpq-fe.h", "openssl/")),
    "fetch": (("base", "core", "ports"), ("fmt/", "curl/")),
    "service": (("base", "core", "ports"), ("fmt/", "systemd/")),
    "status": (("base", "core"), ("fmt/", "nlohmann/", "prometheus/")),
    "http": (("base", "core", "ports", "status"), ("fmt/", "nlohmann/", "httplib.h", "openssl/")),
    "cli": (("base", "core"), ("fmt/", "nlohmann/", "httplib.h")),
}
THIRD_PARTY = ("fmt/", "tl/", "openssl/", "toml++/", "sqlite3.h", "nlohmann/", "libpq-fe.h", "systemd/", "prometheus/", "httplib.h", "curl/", "CLI/")

# What core and base may need of the C library besides memory and strings: nothing that asks for the time, a file, a socket or a process.
FORBIDDEN_SYMBOLS = (r"^(open|openat|creat|read|write|pread|pwrite|close|stat|fstat|lstat|unlink|rename|socket|connect|bind|listen|accept|send|recv|fork|execv\w*|"
                     r"system|popen|kill|waitpid|getenv|setenv|time|clock_gettime|gettimeofday|localtime\w*|mktime|nanosleep|usleep|sleep|pthread_create|"
                     r"fopen|fread|fwrite|fclose|getrandom|rand|random|getpid|getuid|geteuid)(@|$)"
                     r"|^_ZNSt6chrono3_V2(12system_clock|12steady_clock)3nowEv|^_ZNSt6thread|^_ZNSt(14basic_ifstream|14basic_ofstream|13basic_filebuf)")
