#include "unit/x509/pki.hpp"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

namespace pgcertd::x509::testing {

PrivateKey make_key(KeyType type) { return must(PrivateKey::generate(type)); }
std::string serial() { return must(new_serial()); }

Authority make_root_authority(std::string_view name, Validity validity) {
  PrivateKey key = make_key();
  Certificate certificate = must(make_root(key, name, serial(), validity));
  return {std::move(key), std::move(certificate)};
}

Authority make_issuing_authority(const Authority& root, std::string_view name, Validity validity) {
  PrivateKey key = make_key();
  Certificate certificate = must(make_issuing_ca(root.key, root.certificate, key, name, serial(), validity));
  return {std::move(key), std::move(certificate)};
}

Pki::Pki(KeyType type) : root(make_root_authority("Test Root")), issuing(make_issuing_authority(root, "Test Issuing CA")), key(make_key(type)) {}

Certificate Pki::leaf(const LeafOptions& options) const {
  const std::string request = must(make_request_pem(key, options.names));
  return must(sign_leaf(issuing.key, issuing.certificate, request,
                        {.serial = serial(), .names = options.names, .validity = options.validity, .crl_url = options.crl_url, .client_auth = options.client_auth}));
}

const Pki& pki() {
  static const Pki one;
  return one;
}

Workspace::Workspace() {
  std::string name = (std::filesystem::temp_directory_path() / "pgcertd-x509-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp " + name);
  directory_ = name;
}

Workspace::~Workspace() {
  std::error_code ignored;   // what is left in a temporary directory does no harm
  std::filesystem::remove_all(directory_, ignored);
}

std::string Workspace::put(std::string_view name, std::string_view bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
  return path(name);
}

std::string Workspace::get(std::string_view name) const {
  std::ostringstream out;
  out << std::ifstream(path(name), std::ios::binary).rdbuf();
  return out.str();
}

int Workspace::try_openssl(const std::string& arguments, std::string* output) const {
  const std::string command = "cd '" + directory_ + "' && openssl " + arguments + " 2>&1 </dev/null";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("popen " + command);
  std::array<char, 4096> buffer{};
  std::string text;
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), size);
  const int status = ::pclose(pipe);
  if (output) *output = text;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string Workspace::openssl(const std::string& arguments) const {
  std::string output;
  const int code = try_openssl(arguments, &output);
  EXPECT_EQ(code, 0) << "openssl " << arguments << "\n" << output;
  return output;
}

}  // namespace pgcertd::x509::testing
