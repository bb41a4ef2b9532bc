#include "cli/remedy.hpp"

#include <cerrno>

namespace pgcertd::cli {
namespace {

std::string_view by_system(int sys_errno) {
  switch (sys_errno) {
    case ENOENT: return "correct the path, or make what is missing";
    case ENOTDIR: return "correct the path: a part of it is no directory";
    case EISDIR: return "name a file, not a directory";
    case EEXIST: return "move it away, or name another";
    case EACCES: case EPERM: return "run it as root, or as a user who may";
    case ENOSPC: case EDQUOT: return "make room, or name a place with room";
    case EROFS: return "mount it read-write, or name another place";
    case ELOOP: return "name the file that the link leads to";
    case ENAMETOOLONG: return "name a shorter path";
    case EIO: return "look at the disk: dmesg";
    default: return {};
  }
}

std::string_view by_code(Errc code) {
  switch (code) {
    case Errc::not_found: return "pgcertctl status lists what there is";
    case Errc::permission: return "run it as root, or as a user who may";
    case Errc::parse: return "give a file of the kind that is asked for: pgcertctl inspect FILE tells what one is";
    case Errc::database: return "restore the file from a backup";
    case Errc::timeout: case Errc::busy: return "try again, or wait longer with --timeout";
    case Errc::network: return "pgcertctl doctor tells what stands in the way";
    case Errc::internal: return "this is a fault of pgcertd's: please report it";
    default: return {};
  }
}

}  // namespace

std::string remedy_of(const Error& error) {
  if (!error.remedy.empty()) return error.remedy;
  const std::string_view system = by_system(error.sys_errno);
  return std::string(system.empty() ? by_code(error.code) : system);
}

}  // namespace pgcertd::cli
