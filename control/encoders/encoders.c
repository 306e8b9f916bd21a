/* SPDX-License-Identifier: MPL-2.0 */
#include "control/encoders/encoders.h"

#include <stddef.h>

const struct encoder_ops *const hekad_encoders[] = {
    &sandbox_encoder,
    NULL,
};
