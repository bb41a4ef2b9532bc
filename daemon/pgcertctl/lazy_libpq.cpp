// libpq, opened by the first call of it. Most commands talk to no server, and libpq brings Kerberos, LDAP and GnuTLS along: to load all
// that takes longer than what those commands do. The linker takes these functions before it looks at the library; one that is missing
// here brings the library back, which tests/system/cli_test.py sees.
#include <dlfcn.h>
#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>

namespace {

// There is no way on without it, and no caller of libpq expects that.
[[noreturn]] void give_up() {
  (void)std::fprintf(stderr, "pgcertctl: libpq cannot be loaded, and this command talks to PostgreSQL: %s\n  remedy: apt-get install libpq5\n", ::dlerror());
  std::exit(1);
}

void* libpq() {
  static void* const opened = ::dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) give_up();
  return opened;
}

template <class Function>
Function find(const char* name) {
  void* const found = ::dlsym(libpq(), name);
  if (found == nullptr) give_up();
  return reinterpret_cast<Function>(found);
}

}  // namespace

// A macro, as a name has to become text; that declaration and definition agree is seen against libpq-fe.h.
#define PGCERTD_LAZY(result, name, parameters, arguments)                    \
  extern "C" __attribute__((visibility("hidden"))) result name parameters { \
    static const auto real = find<decltype(&name)>(#name);                   \
    return real arguments;                                                   \
  }

PGCERTD_LAZY(void, PQclear, (PGresult* result), (result))
PGCERTD_LAZY(PostgresPollingStatusType, PQconnectPoll, (PGconn* conn), (conn))
PGCERTD_LAZY(PGconn*, PQconnectStartParams, (const char* const* keywords, const char* const* values, int expand), (keywords, values, expand))
PGCERTD_LAZY(int, PQconnectionNeedsPassword, (const PGconn* conn), (conn))
PGCERTD_LAZY(void, PQconninfoFree, (PQconninfoOption* options), (options))
PGCERTD_LAZY(PQconninfoOption*, PQconninfoParse, (const char* text, char** error), (text, error))
PGCERTD_LAZY(int, PQconsumeInput, (PGconn* conn), (conn))
PGCERTD_LAZY(char*, PQerrorMessage, (const PGconn* conn), (conn))
PGCERTD_LAZY(char*, PQescapeLiteral, (PGconn* conn, const char* text, size_t size), (conn, text, size))
PGCERTD_LAZY(void, PQfinish, (PGconn* conn), (conn))
PGCERTD_LAZY(int, PQflush, (PGconn* conn), (conn))
PGCERTD_LAZY(char*, PQfname, (const PGresult* result, int field), (result, field))
PGCERTD_LAZY(void, PQfreemem, (void* memory), (memory))
PGCERTD_LAZY(PGresult*, PQgetResult, (PGconn* conn), (conn))
PGCERTD_LAZY(int, PQgetisnull, (const PGresult* result, int row, int field), (result, row, field))
PGCERTD_LAZY(char*, PQgetvalue, (const PGresult* result, int row, int field), (result, row, field))
PGCERTD_LAZY(int, PQisBusy, (PGconn* conn), (conn))
PGCERTD_LAZY(int, PQnfields, (const PGresult* result), (result))
PGCERTD_LAZY(int, PQntuples, (const PGresult* result), (result))
PGCERTD_LAZY(char*, PQresultErrorField, (const PGresult* result, int code), (result, code))
PGCERTD_LAZY(char*, PQresultErrorMessage, (const PGresult* result), (result))
PGCERTD_LAZY(ExecStatusType, PQresultStatus, (const PGresult* result), (result))
PGCERTD_LAZY(int, PQsendQuery, (PGconn* conn, const char* query), (conn, query))
PGCERTD_LAZY(int, PQserverVersion, (const PGconn* conn), (conn))
PGCERTD_LAZY(PGVerbosity, PQsetErrorVerbosity, (PGconn* conn, PGVerbosity verbosity), (conn, verbosity))
PGCERTD_LAZY(PQnoticeReceiver, PQsetNoticeReceiver, (PGconn* conn, PQnoticeReceiver receiver, void* argument), (conn, receiver, argument))
PGCERTD_LAZY(int, PQsetnonblocking, (PGconn* conn, int on), (conn, on))
PGCERTD_LAZY(int, PQsocket, (const PGconn* conn), (conn))
PGCERTD_LAZY(ConnStatusType, PQstatus, (const PGconn* conn), (conn))
