// setup sql: the role that pgcertd needs, and nothing more.
#include "pgcertctl/commands.hpp"
#include "postgres/privileges.hpp"

namespace pgcertd::ctl {

int run(const SetupSql& command, const Session& session) {
  session.print(postgres::setup_sql(command.role, static_cast<std::uint32_t>(command.postgresql) * 10000));
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
