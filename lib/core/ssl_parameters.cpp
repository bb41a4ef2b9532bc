#include "core/ssl_parameters.hpp"

#include <array>

namespace pgcertd {
namespace {

constexpr std::array parameters{
    SslParameter{"ssl", 10, 0, "off", false},
    SslParameter{"ssl_ca_file", 10, 0, "", false},
    SslParameter{"ssl_cert_file", 10, 0, "server.crt", false},
    SslParameter{"ssl_ciphers", 10, 0, "HIGH:MEDIUM:+3DES:!aNULL", false},
    SslParameter{"ssl_crl_dir", 14, 0, "", false},
    SslParameter{"ssl_crl_file", 10, 0, "", false},
    SslParameter{"ssl_dh_params_file", 10, 0, "", false},
    SslParameter{"ssl_ecdh_curve", 10, 17, "prime256v1", false},
    SslParameter{"ssl_groups", 18, 0, "X25519:prime256v1", false},
    SslParameter{"ssl_key_file", 10, 0, "server.key", false},
    SslParameter{"ssl_library", 12, 0, "OpenSSL", true},
    SslParameter{"ssl_max_protocol_version", 12, 0, "", false},
    SslParameter{"ssl_min_protocol_version", 12, 0, "TLSv1.2", false},
    SslParameter{"ssl_passphrase_command", 11, 0, "", false},
    SslParameter{"ssl_passphrase_command_supports_reload", 11, 0, "off", false},
    SslParameter{"ssl_prefer_server_ciphers", 10, 0, "on", false},
    SslParameter{"ssl_sni", 19, 0, "off", false},
    SslParameter{"ssl_tls13_ciphers", 18, 0, "", false},
};

}  // namespace

std::span<const SslParameter> ssl_parameters() noexcept { return parameters; }

const SslParameter* ssl_parameter(std::string_view name, std::uint32_t major) noexcept {
  for (const SslParameter& p : parameters)
    if (p.name == name && p.since <= major && (p.until == 0 || major <= p.until)) return &p;
  return nullptr;
}

}  // namespace pgcertd
