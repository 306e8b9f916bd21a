/* SPDX-License-Identifier: MPL-2.0
 *
 * signer_options.h - who signs the frames of a sender: a [signer] table of options.
 *
 * Place:   [X.signer] of outputs with use_framing; heka-flood, heka-sbmgr and heka-sbmgrload.
 * Threads: no state.
 * Source:  Heka 0.11 message.MessageSigningConfig; its outputs do not sign.
 */
#ifndef CORE_SIGNER_OPTIONS_H
#define CORE_SIGNER_OPTIONS_H

#include "core/frame.h"
#include "core/schema.h"

struct signer_options {
    const char *name, *hmac_key; /* name "": nobody signs */
    int hmac_hash;               /* enum frame_hash */
    int64_t version;
};

extern const struct schema signer_schema;

/* The same for frame_write(), or NULL when nobody signs; its texts are borrowed. */
const struct frame_signer *signer_options_frame(const struct signer_options *options,
                                                struct frame_signer *signer);

/* Whether a frame with it can be written. 0, or -1 after adding to err a text that begins with
 * "signer: ". */
int signer_options_check(const struct signer_options *options, struct err *err);

#endif
