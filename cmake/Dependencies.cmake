# SPDX-License-Identifier: MPL-2.0
#
# Dependencies.cmake - Debian 12 packages (deploy/install-deps installs them). Their headers are
# SYSTEM for the compiler. Only the module named behind a library may include its headers.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(DPDK REQUIRED IMPORTED_TARGET libdpdk>=22.11)       # dataplane, bench
if(HEKA_MARCH) # its flags stand behind ours and would undo them
  get_target_property(dpdk_options PkgConfig::DPDK INTERFACE_COMPILE_OPTIONS)
  list(FILTER dpdk_options EXCLUDE REGEX "^-march=")
  set_property(TARGET PkgConfig::DPDK PROPERTY INTERFACE_COMPILE_OPTIONS ${dpdk_options})
endif()
pkg_check_modules(HYPERSCAN REQUIRED IMPORTED_TARGET libhs>=5.4)      # matcher
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)          # matcher
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c)   # core
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)           # core, control, bench
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash) # core, stats, matcher, sandbox
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)          # core: HMAC of framed records
pkg_check_modules(LUAJIT REQUIRED IMPORTED_TARGET luajit>=2.1)         # sandbox
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl)                # control: TLS
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)              # control: HTTP and SMTP out
pkg_check_modules(MHD REQUIRED IMPORTED_TARGET libmicrohttpd)         # control: HTTP in
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)              # control: TLS of HTTP in
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)           # control: Kafka
pkg_check_modules(RABBITMQ REQUIRED IMPORTED_TARGET librabbitmq)      # control: AMQP
pkg_check_modules(LIBXML2 REQUIRED IMPORTED_TARGET libxml-2.0)  # control: PayloadXmlDecoder
pkg_check_modules(MAXMINDDB REQUIRED IMPORTED_TARGET libmaxminddb)    # control: GeoIpDecoder
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)                 # control: compressed logs
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)        # control: readiness
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)# control: sealed sandbox workers
pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat)               # sandbox: module sax
find_program(PROTOC_C protoc-c REQUIRED)
if(BUILD_TESTING OR NOT DEFINED BUILD_TESTING)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
  pkg_check_modules(PCAP REQUIRED IMPORTED_TARGET libpcap)            # tests
endif()
