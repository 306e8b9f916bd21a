/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_trial.h - hekad -check: a script is loaded in a sealed worker as at a start, and
 *                   forgotten.
 *
 * Place:   the check of each sandboxed plugin type, behind sandbox_options_check(); start_check.c
 *          makes the workers.
 * Threads: [main].
 * Failure: the text that the start would give: "filename: Init() FILE:LINE: TEXT".
 *
 * The top level of filters, decoders and encoders runs, with the limits, so that modules that are
 * missing or broken are found, too; nothing that it does leaves the worker. Scripts that may do I/O
 * (inputs, outputs) are only parsed.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_TRIAL_H
#define CONTROL_SANDBOX_SANDBOX_TRIAL_H

#include "control/sandbox/sandbox_options.h"

/* The options are checked. 0, also in a hekad that has no workers for it; or -1 after adding to
 * `err`. */
int sandbox_trial_run(const struct sandbox_options *options, enum sandbox_type type,
                      struct err *err);

#endif
