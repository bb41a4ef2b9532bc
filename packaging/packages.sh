# Sourced by packaging/quickstart and tests/run: which Debian packages are needed, and their installation.
# shellcheck shell=bash disable=SC2034

BUILD_PACKAGES=(g++ cmake ninja-build ccache pkg-config libssl-dev libpq-dev nlohmann-json3-dev libcpp-httplib-dev libsystemd-dev
  libtomlplusplus-dev libcli11-dev libfmt-dev libexpected-dev libsqlite3-dev libcurl4-openssl-dev prometheus-cpp-dev)
RUN_PACKAGES=(postgresql-15 postgresql-client-15 openssl util-linux)
TEST_PACKAGES=(libgtest-dev libgmock-dev python3 python3-cryptography chromium strace universal-ctags ssl-cert curl
  prometheus prometheus-alertmanager python3-jsonschema git faketime softhsm2 libengine-pkcs11-openssl opensc opensc-pkcs11)
DEB_PACKAGES=(debhelper dpkg-dev fakeroot lintian)
RPM_PACKAGES=(rpm rpmlint)
BED_PACKAGES=(systemd-container mmdebstrap zstd util-linux procps)   # tests/systemd
# For the page in a browser; a host may have them from elsewhere, which Debian's would replace.
command -v npm >/dev/null || TEST_PACKAGES+=(nodejs npm)

# as_root COMMAND...: directly as root, else by sudo.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# install_packages PACKAGE...: says what is missing before it installs it.
install_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "installing with apt-get: ${missing[*]}" >&2
  # A cluster made by Debian's package would take port 5432 and is not needed here.
  if [[ " ${missing[*]} " == *" postgresql-15 "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
