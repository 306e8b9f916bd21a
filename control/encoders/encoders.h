/* SPDX-License-Identifier: MPL-2.0
 *
 * encoders.h - encoders that only hekad has; adding one is a row here, one in encoders.c, and its
 *              file.
 *
 * Place:   beside codec's builtin_encoders.
 */
#ifndef CONTROL_ENCODERS_ENCODERS_H
#define CONTROL_ENCODERS_ENCODERS_H

#include "codec/encoder.h"

extern const struct encoder_ops sandbox_encoder;

extern const struct encoder_ops *const hekad_encoders[]; /* ended by NULL */

#endif
