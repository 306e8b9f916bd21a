/* SPDX-License-Identifier: MPL-2.0 */
#include "control/decoders/decoders.h"

const struct decoder_ops *const hekad_decoders[] = {
    &geo_ip_decoder,
    &payload_xml_decoder,
    &sandbox_decoder,
    NULL,
};

void decoders_add(void)
{
    decoder_add_types(hekad_decoders);
}
