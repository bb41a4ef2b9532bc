// What the text of one value may be: each function gives the value as Config holds it, or why it cannot be. Pure.
// No message repeats a value that may be a secret by mistake.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/config.hpp"

namespace pgcertd::config {

// Absolute, without "." and ".." and doubled or trailing slashes; never "/" alone.
Result<std::string> absolute_path(const std::string& text);
// A user's or a group's name.
Result<std::string> account(const std::string& text);
// Of a cluster, an issuer, a list of CRLs: [a-z0-9_-]{1,63}.
Result<std::string> section_name(const std::string& text);
// A host name (lower case) or an address (as inet_ntop writes it).
Result<std::string> host(const std::string& text);
// "host:port" and "[v6]:port"; the port must be there.
Result<std::string> listen_address(const std::string& text);
// The same; without a port it is PostgreSQL's.
Result<std::string> endpoint(const std::string& text);
Result<std::string> http_url(const std::string& text);
Result<SecretSource> secret_source(const std::string& text);
Result<ReloadMethod> reload_method(const std::string& text);
Result<RestartCommand> restart_command(const std::string& text);
// "Sun 02:00-04:00", "Mon..Fri 01:00-02:00", "02:00-03:00", and lists of them with commas.
Result<std::string> restart_window(const std::string& text);

// Adds a subjectAltName to `names`, each once; "*" may be the leftmost label of a host name.
Result<void> add_name(const std::string& text, Names& names);

std::string text_of(const SecretSource& source);
std::string text_of(const ReloadMethod& method);
std::string text_of(const RestartCommand& command);

}  // namespace pgcertd::config
