/* SPDX-License-Identifier: MPL-2.0
 *
 * sbmgr.h - control messages for a SandboxManagerFilter: a connection, and load or unload over it.
 *
 * Place:   heka-sbmgr and heka-sbmgrload.
 * Threads: one owner; calls block as tool_sender.h says.
 * Failure: texts in err.
 * Source:  Heka 0.11: Type heka.control.sandbox, Logger hekad; docs/man/heka-sbmgr.md.
 */
#ifndef CONTROL_TOOLS_SBMGR_H
#define CONTROL_TOOLS_SBMGR_H

#include "control/net/tls.h"
#include "control/tools/tool_sender.h"
#include "core/buffer.h"
#include "core/conf.h"
#include "core/signer_options.h"

enum { SBMGR_HOSTNAME_SIZE = 256 };

struct sbmgr_config { /* the whole file */
    const char *ip_address;
    bool use_tls;
    struct tls_options tls;
    struct signer_options signer;
};

extern const struct schema sbmgr_schema;

struct sbmgr { /* zeroed is fine for sbmgr_fini() */
    struct conf_doc *doc;
    struct sbmgr_config config;
    struct tls_context *tls; /* NULL: none */
    bool is_open;
    struct tool_sender sender; /* while is_open */
    size_t message_max;
    struct buffer message, frame;
    char hostname[SBMGR_HOSTNAME_SIZE];
};

/* Reads the configuration and connects. 0, or -1 after adding to err. */
int sbmgr_open(struct sbmgr *sbmgr, const char *path, size_t message_max, struct err *err);

/* Sends one message: `script` and its section's TOML text; or the name of a filter. */
int sbmgr_load(struct sbmgr *sbmgr, struct msg_slice script, struct msg_slice toml,
               struct err *err);
int sbmgr_unload(struct sbmgr *sbmgr, const char *name, struct err *err);

/* No more: waits until the other side has read all. 0, or -1 after adding to err. */
int sbmgr_finish(struct sbmgr *sbmgr, struct err *err);
void sbmgr_fini(struct sbmgr *sbmgr);

#endif
