/* SPDX-License-Identifier: MPL-2.0
 *
 * flood_config.h - a test of heka-flood: one section of its TOML file.
 *
 * Place:   flood_main.c; the options are explained in docs/man/heka-flood.md.
 * Threads: no state.
 * Memory:  texts point into the document.
 * Failure: all errors of the section at once, with file and line.
 * Source:  Heka 0.11 heka-flood; signed_corrupt_percentage and seed are ours.
 */
#ifndef CONTROL_TOOLS_FLOOD_CONFIG_H
#define CONTROL_TOOLS_FLOOD_CONFIG_H

#include "control/net/tls_options.h"
#include "core/schema.h"
#include "core/signer_options.h"

enum { FLOOD_TCP, FLOOD_UDP };
enum { FLOOD_MESSAGE_MIN = 1024, FLOOD_MESSAGE_LIMIT = 16 << 20, FLOOD_DATAGRAM_MAX = 65507 };

struct flood_config {
    const char *ip_address, *pprof_file, *encoder;
    int sender;           /* FLOOD_TCP, FLOOD_UDP */
    int64_t num_messages; /* 0: endless */
    int64_t static_message_size, max_message_size, seed;
    int64_t message_interval, reconnect_interval; /* ns, s */
    bool variable_size_messages, ascii_only, use_tls, reconnect_on_error;
    double corrupt_percentage, signed_percentage, signed_corrupt_percentage, oversized_percentage;
    struct signer_options signer;
    struct tls_options tls;
};

extern const struct schema flood_schema;

/* The section `test` of the document. 0, or -1 after adding to err. */
int flood_config_read(struct conf_doc *doc, const char *test, struct flood_config *config,
                      struct err *err);

#endif
