// One run() a command; each returns the exit code.
#pragma once

#include "pgcertctl/arguments.hpp"
#include "pgcertctl/session.hpp"

namespace pgcertd::ctl {

int run(const Status& command, const Session& session);
int run(const Check& command, const Session& session);
int run(const Rotate& command, const Session& session);
int run(const Rollback& command, const Session& session);
int run(const Pause& command, const Session& session);
int run(const Resume& command, const Session& session);
int run(const Takeover& command, const Session& session);
int run(const Revoke& command, const Session& session);
int run(const Audit& command, const Session& session);
int run(const Permissions& command, const Session& session);
int run(const Events& command, const Session& session);
int run(const Runway& command, const Session& session);
int run(const Inspect& command, const Session& session);
int run(const Probe& command, const Session& session);
int run(const DoctorCommand& command, const Session& session);
int run(const Explain& command, const Session& session);
int run(const ClientIssue& command, const Session& session);
int run(const ClientList& command, const Session& session);
int run(const TrustExport& command, const Session& session);
int run(const CrlShow& command, const Session& session);
int run(const CrlRefresh& command, const Session& session);
int run(const CrlImport& command, const Session& session);
int run(const Setup& command, const Session& session);
int run(const SetupSql& command, const Session& session);
int run(const CaInit& command, const Session& session);
int run(const CaSign& command, const Session& session);
int run(const CaCrl& command, const Session& session);
int run(const CaSession& command, const Session& session);
int run(const CaPasswd& command, const Session& session);
int run(const CaVerifyLog& command, const Session& session);
int run(const RequestList& command, const Session& session);
int run(const RequestShow& command, const Session& session);
int run(const RequestExport& command, const Session& session);
int run(const RequestImport& command, const Session& session);
int run(const CaShow& command, const Session& session);
int run(const ConfigCheck& command, const Session& session);
int run(const ConfigShow& command, const Session& session);
int run(const Version& command, const Session& session);

}  // namespace pgcertd::ctl
