/* SPDX-License-Identifier: MPL-2.0
 *
 * split_ledger.h - pieces of a splitter as counters of the ledger's stage `text`.
 *
 * Place:   whoever splits: listeners of the data plane, control/plugins/input_stream.c.
 * Threads: no state.
 */
#ifndef CODEC_SPLIT_LEDGER_H
#define CODEC_SPLIT_LEDGER_H

#include "codec/splitter.h"
#include "core/counters.h"

/* Counts a piece as come in, and as ended when it is no record: what becomes of a record is the
 * caller's to count (TEXT_MESSAGES, DECODE_*). Not for SPLIT_MORE. */
void split_ledger_count(struct counters *counters, enum split_outcome outcome);

#endif
