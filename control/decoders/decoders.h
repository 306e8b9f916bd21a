/* SPDX-License-Identifier: MPL-2.0
 *
 * decoders.h - decoders that only hekad has, because their libraries allocate or read files;
 *              adding one is a row here, one in decoders.c, and its file.
 *
 * Place:   beside codec's builtin_decoders. An input of the data plane that has one of them passes
 *          its records on undecoded.
 * Threads: decoders_add() [main], as often as one likes.
 */
#ifndef CONTROL_DECODERS_DECODERS_H
#define CONTROL_DECODERS_DECODERS_H

#include "codec/decoder.h"

extern const struct decoder_ops geo_ip_decoder;
extern const struct decoder_ops payload_xml_decoder;
extern const struct decoder_ops sandbox_decoder;

extern const struct decoder_ops *const hekad_decoders[]; /* ended by NULL */

/* Makes them known to decoder_by_name(). */
void decoders_add(void);

#endif
