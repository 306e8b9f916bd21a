/* SPDX-License-Identifier: MPL-2.0 */
#include "core/signer_options.h"

#include <errno.h>
#include <string.h>

static const char *const hashes[] = {"md5", "sha1", NULL}; /* enum frame_hash */

#define SIGNER(member) .key = #member, .offset = offsetof(struct signer_options, member)
static const struct schema_key keys[] = {
    {SIGNER(name), .type = SCHEMA_STRING, .def = "", .help = "Name of the key; \"\": unsigned."},
    {SIGNER(hmac_hash), .type = SCHEMA_CHOICE, .choices = hashes, .def = "md5",
     .help = "Hash of the HMAC."},
    {SIGNER(hmac_key), .type = SCHEMA_STRING, .def = "", .help = "The key."},
    {SIGNER(version), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0",
     .help = "Version of the key."},
    {0},
};
const struct schema signer_schema = {"signer", keys};

const struct frame_signer *signer_options_frame(const struct signer_options *options,
                                                struct frame_signer *signer)
{
    if (options->name == NULL || options->name[0] == '\0')
        return NULL;
    *signer = (struct frame_signer){
        .name = options->name,
        .version = (uint32_t)options->version,
        .hash = (enum frame_hash)options->hmac_hash,
        .key = options->hmac_key,
        .key_size = strlen(options->hmac_key),
    };
    return signer;
}

int signer_options_check(const struct signer_options *options, struct err *err)
{
    char frame[FRAME_OVERHEAD_MAX + 1];
    struct frame_signer signer;
    if (signer_options_frame(options, &signer) == NULL)
        return 0;
    if (frame_header_size(UINT32_MAX, &signer) > FRAME_HEADER_MAX)
        return err_add(err, "signer: the name has %zu characters, which is too long for a frame",
                       strlen(signer.name));
    if (frame_write(frame, sizeof(frame), "x", 1, 1, &signer) < 0)
        return err_add(err, "signer: OpenSSL does not have the hash %s",
                       hashes[options->hmac_hash]);
    return 0;
}
