// Owners of libpq's handles. Only for the .cpp files of this room.
#pragma once

#include <libpq-fe.h>

#include <memory>

namespace pgcertd::postgres {

struct ConnectionFinish {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
struct ResultClear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
struct OptionsFree {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
struct MemoryFree {
  void operator()(char* memory) const noexcept { PQfreemem(memory); }
};

using ConnectionPtr = std::unique_ptr<PGconn, ConnectionFinish>;
using ResultPtr = std::unique_ptr<PGresult, ResultClear>;
using OptionsPtr = std::unique_ptr<PQconninfoOption, OptionsFree>;
using TextPtr = std::unique_ptr<char, MemoryFree>;

}  // namespace pgcertd::postgres
