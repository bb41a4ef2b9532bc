/* Preloaded into pgcertd alone: makes the Nth of its own system calls fail (PGCERTD_SHIM_PAGE, a file that the runner maps
   too), and writes down each change of files (PGCERTD_SHIM_JOURNAL), so that tests/faults can rebuild what a power cut leaves. */
#define _GNU_SOURCE
#include "shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct shim_page* page;
static int journal = -1;
static pthread_mutex_t journal_lock = PTHREAD_MUTEX_INITIALIZER;

/* Straight to the kernel: what the shim does for itself is neither counted nor failed. */
static long raw(long number, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  if (strcmp(program_invocation_short_name, "pgcertd") != 0) return;   /* what starts it and what it starts */
  const char* path = getenv("PGCERTD_SHIM_PAGE");
  const char* log = getenv("PGCERTD_SHIM_JOURNAL");
  if (path) {
    const long fd = raw(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0);
    void* at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    if (at == MAP_FAILED) _exit(99);
    page = at;
    raw(SYS_close, fd, 0, 0, 0, 0);
  }
  if (log) {
    journal = (int)raw(SYS_openat, AT_FDCWD, (long)log, O_WRONLY | O_APPEND | O_CLOEXEC, 0, 0);
    if (journal < 0) _exit(99);
  }
}

static void path_of(int fd, char* out, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const long length = raw(SYS_readlinkat, AT_FDCWD, (long)link, (long)out, (long)size - 1, 0);
  out[length < 0 ? 0 : length] = 0;
}

/* Is it this call's turn? Then its fault, else 0. */
static uint32_t turn(enum shim_class class, const char* call, int fd, const char* name) {
  if (!page || !(atomic_load(&page->classes) & class)) return 0;
  const uint64_t nth = atomic_fetch_add(&page->count, 1) + 1;
  const uint64_t at = atomic_load(&page->at);
  if (at == 0 || nth < at || nth - at >= atomic_load(&page->times)) return 0;
  const uint32_t fault = atomic_load(&page->fault);
  if (atomic_fetch_add(&page->hits, 1) == 0) {
    char path[PATH_MAX] = "";
    if (fd >= 0 && class != SHIM_MEMORY) path_of(fd, path, sizeof path);
    snprintf(page->what, sizeof page->what, "%s %.300s%s%.120s", call, path, name && *path ? "/" : "", name ? name : "");
  }
  if (fault == SHIM_KILL) raw(SYS_kill, getpid(), SIGKILL, 0, 0, 0);
  return fault;
}

#define FAIL_IF_ITS_TURN(class, call, fd, name, failure) \
  do { \
    const uint32_t fault_ = turn(class, call, fd, name); \
    if (fault_ != 0 && fault_ != SHIM_SHORT) { errno = (int)fault_; return failure; } \
  } while (0)

/* ---- the journal: one line a change, in the order in which the kernel did them ---- */

static void note_watched(void);

static bool lock_journal(void) {
  if (journal < 0) return false;
  pthread_mutex_lock(&journal_lock);
  note_watched();
  return true;
}

static void unlock_journal(bool locked) {
  const int saved = errno;
  if (locked) pthread_mutex_unlock(&journal_lock);
  errno = saved;
}

static void note(const char* format, ...) {
  char line[3 * PATH_MAX];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  const int saved = errno;
  raw(SYS_write, journal, (long)line, length, 0, 0);
  errno = saved;
}

/* The whole of one file that another process writes (PGCERTD_SHIM_WATCH), before the first change of ours that comes after it. */
static void note_watched(void) {
  static struct stat last;
  struct stat seen;
  const char* path = getenv("PGCERTD_SHIM_WATCH");
  if (!path || raw(SYS_newfstatat, AT_FDCWD, (long)path, (long)&seen, 0, 0) != 0) return;
  if (seen.st_ino == last.st_ino && seen.st_mtim.tv_sec == last.st_mtim.tv_sec && seen.st_mtim.tv_nsec == last.st_mtim.tv_nsec) return;
  last = seen;
  unsigned char bytes[4096];
  const long fd = raw(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0);
  const long size = fd < 0 ? -1 : raw(SYS_read, fd, (long)bytes, sizeof bytes, 0, 0);
  if (fd >= 0) raw(SYS_close, fd, 0, 0, 0, 0);
  char hex[2 * sizeof bytes + 1] = "";
  for (long i = 0; i < size; ++i) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
  note("watch\t%s\n", hex);
}

struct place { unsigned long directory; char name[NAME_MAX + 1]; };

/* The directory's inode and the last name of a path. */
static struct place place_of(int at, const char* path) {
  struct place out = {0, ""};
  char parent[PATH_MAX];
  const char* slash = strrchr(path, '/');
  snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
  snprintf(out.name, sizeof out.name, "%s", slash ? slash + 1 : path);
  struct stat seen;
  if (raw(SYS_newfstatat, at, (long)parent, (long)&seen, 0, 0) == 0) out.directory = seen.st_ino;
  return out;
}

static unsigned long inode_of(int fd) {
  struct stat seen;
  return raw(SYS_fstat, fd, (long)&seen, 0, 0, 0) == 0 && (S_ISREG(seen.st_mode) || S_ISDIR(seen.st_mode)) ? seen.st_ino : 0;
}

static void note_meta(int at, const char* path, int flags) {
  struct stat seen;
  if (raw(SYS_newfstatat, at, (long)path, (long)&seen, flags, 0) == 0)
    note("meta\t%lu\t%o\t%u\t%u\n", seen.st_ino, seen.st_mode & 07777, seen.st_uid, seen.st_gid);
}

static void note_write(int fd, const void* bytes, ssize_t size, off_t at) {
  const unsigned long inode = inode_of(fd);
  if (!inode) return;
  static char hex[1 << 17];
  const unsigned char* from = bytes;
  for (ssize_t done = 0; done < size;) {
    const ssize_t part = size - done < 60000 ? size - done : 60000;
    for (ssize_t i = 0; i < part; ++i) snprintf(hex + 2 * i, 3, "%02x", from[done + i]);
    note("write\t%lu\t%lld\t", inode, (long long)(at + done));
    raw(SYS_write, journal, (long)hex, 2 * part, 0, 0);
    note("\n");
    done += part;
  }
}

/* ---- files that are opened ---- */

static int is_making(int flags) { return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE; }

static long do_open(const char* call, int at, const char* path, long flags, long mode, const struct open_how* how) {
  const enum shim_class class = is_making((int)flags) ? SHIM_CHANGE : SHIM_OPEN;
  FAIL_IF_ITS_TURN(class, call, at, path, -1);
  const bool locked = lock_journal() ;
  struct stat seen;
  const bool fresh = locked && is_making((int)flags) && raw(SYS_newfstatat, at, (long)path, (long)&seen, AT_SYMLINK_NOFOLLOW, 0) != 0;
  const bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
  long fd = how ? raw(SYS_openat2, at, (long)path, (long)how, sizeof *how, 0) : raw(SYS_openat, at, (long)path, flags, mode, 0);
  if (locked && fd >= 0 && (fresh || unnamed) && raw(SYS_fstat, fd, (long)&seen, 0, 0, 0) == 0) {
    const struct place place = place_of(at, path);
    note("create\t%lu\t%s\t%lu\t%o\t%u\t%u\n", unnamed ? 0 : place.directory, place.name, seen.st_ino, seen.st_mode & 07777, seen.st_uid, seen.st_gid);
  } else if (locked && fd >= 0 && (flags & O_TRUNC)) {
    note("truncate\t%lu\t0\n", inode_of((int)fd));
  }
  unlock_journal(locked);
  if (fd < 0) { errno = (int)-fd; return -1; }
  return fd;
}

#define OPEN_LIKE(name) \
  int name(const char* path, int flags, ...) { \
    va_list arguments; \
    va_start(arguments, flags); \
    const int mode = is_making(flags) ? va_arg(arguments, int) : 0; \
    va_end(arguments); \
    return (int)do_open("open", AT_FDCWD, path, flags, mode, NULL); \
  }
#define OPENAT_LIKE(name) \
  int name(int at, const char* path, int flags, ...) { \
    va_list arguments; \
    va_start(arguments, flags); \
    const int mode = is_making(flags) ? va_arg(arguments, int) : 0; \
    va_end(arguments); \
    return (int)do_open("openat", at, path, flags, mode, NULL); \
  }
OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

long syscall(long number, ...) {
  REAL(syscall);
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (int i = 0; i < 6; ++i) a[i] = va_arg(arguments, long);
  va_end(arguments);
  if (number == SYS_openat2) {
    const struct open_how* how = (const struct open_how*)a[2];
    return do_open("openat2", (int)a[0], (const char*)a[1], (long)how->flags, (long)how->mode, how);
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

DIR* opendir(const char* path) {
  REAL(opendir);
  FAIL_IF_ITS_TURN(SHIM_OPEN, "opendir", -1, path, NULL);
  return real(path);
}
DIR* fdopendir(int fd) {
  REAL(fdopendir);
  FAIL_IF_ITS_TURN(SHIM_OPEN, "fdopendir", fd, NULL, NULL);
  return real(fd);
}
struct dirent* readdir(DIR* directory) {
  REAL(readdir);
  FAIL_IF_ITS_TURN(SHIM_READ, "readdir", dirfd(directory), NULL, NULL);
  return real(directory);
}

/* ---- descriptors of other kinds: those that take one are counted, and what answers HTTP is not (accept4): its moments are the runner's ---- */

#define DESCRIPTOR(name, parameters, ...) \
  int name parameters { \
    REAL(name); \
    FAIL_IF_ITS_TURN(SHIM_OPEN, #name, -1, NULL, -1); \
    return real(__VA_ARGS__); \
  }
DESCRIPTOR(socket, (int domain, int type, int protocol), domain, type, protocol)
DESCRIPTOR(pipe2, (int fds[2], int flags), fds, flags)
DESCRIPTOR(eventfd, (unsigned count, int flags), count, flags)
DESCRIPTOR(inotify_init1, (int flags), flags)
DESCRIPTOR(inotify_add_watch, (int fd, const char* path, uint32_t mask), fd, path, mask)
DESCRIPTOR(timerfd_create, (clockid_t clock, int flags), clock, flags)

/* ---- reading and writing, of files alone ---- */

static bool is_file(int fd) {
  struct stat seen;
  return raw(SYS_fstat, fd, (long)&seen, 0, 0, 0) == 0 && S_ISREG(seen.st_mode);
}

ssize_t read(int fd, void* bytes, size_t size) {
  REAL(read);
  if (page && is_file(fd)) FAIL_IF_ITS_TURN(SHIM_READ, "read", fd, NULL, -1);
  return real(fd, bytes, size);
}

#define PREAD(name, offset) \
  ssize_t name(int fd, void* bytes, size_t size, offset at) { \
    REAL(name); \
    FAIL_IF_ITS_TURN(SHIM_READ, "pread", fd, NULL, -1); \
    return real(fd, bytes, size, at); \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

/* Less than was asked, as a disk that is almost full does it; a write of one byte fails whole. */
static bool cut_short(uint32_t fault, size_t* size) {
  if (fault == SHIM_SHORT && *size > 1) *size /= 2;
  else if (fault != 0) { errno = fault == SHIM_SHORT ? ENOSPC : (int)fault; return false; }
  return true;
}

ssize_t write(int fd, const void* bytes, size_t size) {
  REAL(write);
  if ((!page && journal < 0) || !is_file(fd) || fd <= 2) return real(fd, bytes, size);
  if (!cut_short(turn(SHIM_CHANGE, "write", fd, NULL), &size)) return -1;
  const bool locked = lock_journal();
  const off_t at = locked ? lseek(fd, 0, SEEK_CUR) : 0;
  const ssize_t done = real(fd, bytes, size);
  if (locked && done > 0) note_write(fd, bytes, done, at);
  unlock_journal(locked);
  return done;
}

#define PWRITE(name, offset) \
  ssize_t name(int fd, const void* bytes, size_t size, offset at) { \
    REAL(name); \
    if (!cut_short(turn(SHIM_CHANGE, "pwrite", fd, NULL), &size)) return -1; \
    const bool locked = lock_journal(); \
    const ssize_t done = real(fd, bytes, size, at); \
    if (locked && done > 0) note_write(fd, bytes, done, at); \
    unlock_journal(locked); \
    return done; \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* ---- what changes and takes a descriptor: name, parameters, arguments, the line of the journal ---- */

#define CHANGE(name, fd, object, parameters, arguments, before, line) \
  int name parameters { \
    REAL(name); \
    FAIL_IF_ITS_TURN(SHIM_CHANGE, #name, fd, object, -1); \
    const bool locked = lock_journal(); \
    before; \
    const int result = real arguments; \
    if (locked && result == 0) { line; } \
    unlock_journal(locked); \
    return result; \
  }
#define NOTHING (void)0

CHANGE(fsync, fd, NULL, (int fd), (fd), NOTHING, note("sync\t%lu\n", inode_of(fd)))
CHANGE(fdatasync, fd, NULL, (int fd), (fd), NOTHING, note("sync\t%lu\n", inode_of(fd)))
CHANGE(ftruncate, fd, NULL, (int fd, off_t size), (fd, size), NOTHING, note("truncate\t%lu\t%lld\n", inode_of(fd), (long long)size))
CHANGE(ftruncate64, fd, NULL, (int fd, off64_t size), (fd, size), NOTHING, note("truncate\t%lu\t%lld\n", inode_of(fd), (long long)size))
CHANGE(fchmod, fd, NULL, (int fd, mode_t mode), (fd, mode), NOTHING, note_meta(fd, "", AT_EMPTY_PATH))
CHANGE(chmod, -1, path, (const char* path, mode_t mode), (path, mode), NOTHING, note_meta(AT_FDCWD, path, 0))
CHANGE(fchown, fd, NULL, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), NOTHING, note_meta(fd, "", AT_EMPTY_PATH))
CHANGE(fchownat, at, path, (int at, const char* path, uid_t uid, gid_t gid, int flags), (at, path, uid, gid, flags), NOTHING, note_meta(at, path, flags))
CHANGE(lchown, -1, path, (const char* path, uid_t uid, gid_t gid), (path, uid, gid), NOTHING, note_meta(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW))

static void note_made(const char* what, int at, const char* path) {
  struct stat seen;
  const struct place place = place_of(at, path);
  if (raw(SYS_newfstatat, at, (long)path, (long)&seen, AT_SYMLINK_NOFOLLOW, 0) == 0)
    note("%s\t%lu\t%s\t%lu\t%o\t%u\t%u\n", what, place.directory, place.name, seen.st_ino, seen.st_mode & 07777, seen.st_uid, seen.st_gid);
}
static void note_symlink(const char* target, int at, const char* path) {
  const struct place place = place_of(at, path);
  note("symlink\t%lu\t%s\t%s\n", place.directory, place.name, target);
}
static void note_gone(int at, const char* path) {
  const struct place place = place_of(at, path);
  note("unlink\t%lu\t%s\n", place.directory, place.name);
}
static void note_renamed(const struct place* from, int to_at, const char* to) {
  const struct place place = place_of(to_at, to);
  note("rename\t%lu\t%s\t%lu\t%s\n", from->directory, from->name, place.directory, place.name);
}

CHANGE(mkdir, -1, path, (const char* path, mode_t mode), (path, mode), NOTHING, note_made("mkdir", AT_FDCWD, path))
CHANGE(mkdirat, at, path, (int at, const char* path, mode_t mode), (at, path, mode), NOTHING, note_made("mkdir", at, path))
CHANGE(symlinkat, at, path, (const char* target, int at, const char* path), (target, at, path), NOTHING, note_symlink(target, at, path))
CHANGE(symlink, -1, path, (const char* target, const char* path), (target, path), NOTHING, note_symlink(target, AT_FDCWD, path))
CHANGE(linkat, to, path, (int from, const char* old, int to, const char* path, int flags), (from, old, to, path, flags), NOTHING, note_made("link", to, path))
CHANGE(link, -1, path, (const char* old, const char* path), (old, path), NOTHING, note_made("link", AT_FDCWD, path))
CHANGE(unlink, -1, path, (const char* path), (path), NOTHING, note_gone(AT_FDCWD, path))
CHANGE(unlinkat, at, path, (int at, const char* path, int flags), (at, path, flags), NOTHING, note_gone(at, path))
CHANGE(rmdir, -1, path, (const char* path), (path), NOTHING, note_gone(AT_FDCWD, path))
CHANGE(rename, -1, to, (const char* from, const char* to), (from, to), const struct place was = place_of(AT_FDCWD, from), note_renamed(&was, AT_FDCWD, to))
CHANGE(renameat, to_at, to, (int from_at, const char* from, int to_at, const char* to), (from_at, from, to_at, to), const struct place was = place_of(from_at, from),
       note_renamed(&was, to_at, to))
CHANGE(renameat2, to_at, to, (int from_at, const char* from, int to_at, const char* to, unsigned flags), (from_at, from, to_at, to, flags),
       const struct place was = place_of(from_at, from), note_renamed(&was, to_at, to))

/* ---- memory ---- */

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);

void* malloc(size_t size) {
  FAIL_IF_ITS_TURN(SHIM_MEMORY, "malloc", -1, NULL, NULL);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  FAIL_IF_ITS_TURN(SHIM_MEMORY, "calloc", -1, NULL, NULL);
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  FAIL_IF_ITS_TURN(SHIM_MEMORY, "realloc", -1, NULL, NULL);
  return __libc_realloc(old, size);
}
