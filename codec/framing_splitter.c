/* SPDX-License-Identifier: MPL-2.0
 *
 * framing_splitter.c - HekaFramingSplitter: messages out of Heka's stream framing, and who signed
 *                      them.
 *
 * Source: Heka 0.11. A refused record ends in an outcome of its own (Heka said nothing); a header
 *         that names a signer without an HMAC is refused (Heka believed it).
 */
#include <strings.h>

#include "codec/splitter.h"
#include "codec/splitter_options.h"
#include "core/signers.h"

struct framing_split_state {
    struct signers signers;
};

static int add_signer(struct signers *signers, const struct conf_node *table, struct err *err)
{
    const char *key = "";
    size_t key_size = 0;
    int rc = 0;
    if (table->type != CONF_TABLE)
        return err_at(err, table->file, table->line, "signer: %s: expected a table, found %s",
                      table->key, conf_type_name(table->type));
    for (const struct conf_node *entry = table->first; entry != NULL; entry = entry->next) {
        if (strcasecmp(entry->key, "hmac_key") != 0) {
            rc = err_at(err, entry->file, entry->line, "unknown config setting for 'signer.%s': %s",
                        table->key, entry->key);
        } else if (entry->type != CONF_STRING) {
            rc = err_at(err, entry->file, entry->line,
                        "signer: %s: hmac_key: expected a string, found %s", table->key,
                        conf_type_name(entry->type));
        } else {
            key = entry->str;
            key_size = entry->str_len;
        }
    }
    struct err reason = {0};
    if (rc == 0 && signers_add(signers, table->key, key, key_size, &reason) != 0)
        rc = err_at(err, table->file, table->line, "%s", reason.texts[0]);
    return rc;
}

static int init(struct splitter *splitter, const struct splitter_host *host, struct err *err)
{
    const struct framing_split_config *config = splitter->config;
    struct framing_split_state *framing = splitter->state;
    const struct conf_node *tables = config->signer;
    int rc = 0;
    (void)host;
    if (tables != NULL && tables->type != CONF_TABLE)
        return err_at(err, tables->file, tables->line, "signer: expected tables, found %s",
                      conf_type_name(tables->type));
    for (const struct conf_node *table = tables != NULL ? tables->first : NULL; table != NULL;
         table = table->next)
        rc |= add_signer(&framing->signers, table, err);
    splitter->signers.names = framing->signers.names;
    splitter->signers.count = framing->signers.name_count;
    return rc;
}

static void fini(struct splitter *splitter)
{
    struct framing_split_state *framing = splitter->state;
    signers_fini(&framing->signers);
}

static enum split_outcome outcome_of(int rc)
{
    switch (rc) {
    case SIGNERS_E_NO_HMAC:
        return SPLIT_NO_HMAC;
    case SIGNERS_E_BAD_HMAC:
        return SPLIT_BAD_HMAC;
    case SIGNERS_E_UNKNOWN:
        return SPLIT_UNKNOWN_SIGNER;
    default:
        return SPLIT_UNKNOWN_HASH;
    }
}

static void take_frame(const struct splitter *splitter, const struct frame *frame,
                       struct split_piece *piece)
{
    const struct framing_split_config *config = splitter->config;
    const struct framing_split_state *framing = splitter->state;
    uint32_t name_index = SIGNERS_NONE;
    int rc = config->skip_authentication ? 0 : signers_check(&framing->signers, frame, &name_index);
    if (rc != 0) {
        piece->outcome = outcome_of(rc);
        return;
    }
    piece->record = (struct msg_slice){(const char *)frame->message, frame->message_size};
    piece->outcome = frame->message_size > 0 ? SPLIT_RECORD : SPLIT_EMPTY;
    if (name_index != SIGNERS_NONE) {
        piece->signer = framing->signers.names[name_index];
        piece->signer_index = name_index;
    }
}

static void find(const struct splitter *splitter, struct split_stream *stream,
                 struct msg_slice bytes, enum split_source source, struct split_piece *piece)
{
    struct frame frame;
    (void)stream;
    (void)source;
    switch (frame_scan(bytes.ptr, bytes.len, splitter->message_max, &frame, &piece->consumed)) {
    case FRAME_OK:
        take_frame(splitter, &frame, piece);
        return;
    case FRAME_GARBAGE:
        piece->outcome = SPLIT_GARBAGE;
        return;
    case FRAME_BAD_HEADER:
        piece->outcome = SPLIT_BAD_HEADER;
        return;
    case FRAME_TOO_LARGE:
        piece->outcome = SPLIT_TOO_LARGE;
        return;
    default: /* part of a frame is no record, at the end neither */
        piece->record = (struct msg_slice){bytes.ptr, 0};
    }
}

#define FRAMING(member) .key = #member, .offset = offsetof(struct framing_split_config, member)
static const struct schema_key keys[] = {
    {FRAMING(skip_authentication), .type = SCHEMA_BOOL, .def = "false",
     .help = "Takes all messages, whatever their headers say; none has a signer."},
    {FRAMING(signer), .type = SCHEMA_NODE, .unit = "tables [signer.<name>_<version>]",
     .help = "For each version of a signer's key a table with hmac_key."},
    {.key = NULL},
};
static const struct schema schema = {"HekaFramingSplitter", keys};

const struct splitter_ops framing_split_ops = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "HekaFramingSplitter",
               .schema = &schema,
               .config_size = sizeof(struct framing_split_config),
               .state_size = sizeof(struct framing_split_state)},
    .common = &splitter_framing_schema,
    .is_preregistered = true,
    .init = init,
    .find = find,
    .fini = fini,
};
