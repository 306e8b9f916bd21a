/* SPDX-License-Identifier: MPL-2.0 */
#include "control/tools/sbmgr.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/clock.h"

#define SBMGR(member) .key = #member, .offset = offsetof(struct sbmgr_config, member)
static const struct schema_key keys[] = {
    {SBMGR(ip_address), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "HOST:PORT of a TcpInput."},
    {SBMGR(use_tls), .type = SCHEMA_BOOL, .def = "false", .help = "TLS, as [tls] says."},
    {SBMGR(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Only with use_tls."},
    {SBMGR(signer), .type = SCHEMA_TABLE, .sub = &signer_schema,
     .help = "Who signs; without a name nobody does."},
    {0},
};
const struct schema sbmgr_schema = {"heka-sbmgr", keys};

int sbmgr_open(struct sbmgr *sbmgr, const char *path, size_t message_max, struct err *err)
{
    *sbmgr = (struct sbmgr){.message_max = message_max};
    gethostname(sbmgr->hostname, sizeof(sbmgr->hostname) - 1);
    if (toml_load(path, NULL, &sbmgr->doc, err) != 0)
        return -1;
    int rc = schema_apply(&sbmgr_schema, conf_root(sbmgr->doc), path, NULL, sbmgr->doc,
                          &sbmgr->config, err);
    if (rc == 0)
        rc = signer_options_check(&sbmgr->config.signer, err);
    if (rc == 0 && sbmgr->config.use_tls)
        rc = tls_context_new(&sbmgr->config.tls, TLS_CLIENT, &sbmgr->tls, err);
    if (rc == 0)
        rc = tool_sender_open(&sbmgr->sender, sbmgr->config.ip_address, false, sbmgr->tls, err);
    sbmgr->is_open = rc == 0;
    return rc;
}

/* Room for the message: its texts, and 1 KiB for everything else. */
static int begin(struct sbmgr *sbmgr, struct msg_builder *builder, size_t texts_size,
                 struct msg_slice payload, struct err *err)
{
    uint64_t random[2];
    uint8_t uuid[MSG_UUID_SIZE];
    size_t room = texts_size + payload.len + 1024;
    buffer_clear(&sbmgr->message);
    if (texts_size + payload.len > sbmgr->message_max)
        return err_add(err, "the message has %zu bytes at least, allowed are %zu",
                       texts_size + payload.len, sbmgr->message_max);
    if (buffer_reserve(&sbmgr->message, room) != 0 ||
        getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return err_add(err, "%s", strerror(errno != 0 ? errno : ENOMEM));
    msg_uuid_from_random(uuid, random[0], random[1]);
    msg_builder_init(builder, sbmgr->message.data, room);
    msg_builder_uuid(builder, uuid);
    msg_builder_timestamp(builder, (int64_t)clock_wall_ns());
    msg_builder_type(builder, "heka.control.sandbox", 20);
    msg_builder_logger(builder, "hekad", 5);
    if (payload.len > 0)
        msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_hostname(builder, sbmgr->hostname, strlen(sbmgr->hostname));
    return 0;
}

static int send_built(struct sbmgr *sbmgr, const struct msg_builder *builder, struct err *err)
{
    int64_t size = msg_builder_finish(builder);
    struct frame_signer signer;
    if (size < 0)
        return err_add(err, "%s", strerror((int)-size));
    buffer_clear(&sbmgr->frame);
    if (buffer_reserve(&sbmgr->frame, (size_t)size + FRAME_OVERHEAD_MAX) != 0)
        return err_add(err, "%s", strerror(ENOMEM));
    int64_t framed = frame_write(sbmgr->frame.data, sbmgr->frame.capacity, sbmgr->message.data,
                                 (size_t)size, sbmgr->message_max,
                                 signer_options_frame(&sbmgr->config.signer, &signer));
    if (framed < 0)
        return err_add(err, "the message has %lld bytes, allowed are %zu", (long long)size,
                       sbmgr->message_max);
    return tool_sender_send(&sbmgr->sender, sbmgr->frame.data, (size_t)framed, err);
}

int sbmgr_load(struct sbmgr *sbmgr, struct msg_slice script, struct msg_slice toml,
               struct err *err)
{
    struct msg_builder builder;
    if (begin(sbmgr, &builder, toml.len, script, err) != 0)
        return -1;
    msg_builder_field_string(&builder, "config", toml.ptr, toml.len, "toml");
    msg_builder_field_string(&builder, "action", "load", 4, NULL);
    return send_built(sbmgr, &builder, err);
}

int sbmgr_unload(struct sbmgr *sbmgr, const char *name, struct err *err)
{
    struct msg_builder builder;
    size_t len = strlen(name);
    if (begin(sbmgr, &builder, len, (struct msg_slice){0}, err) != 0)
        return -1;
    msg_builder_field_string(&builder, "name", name, len, NULL);
    msg_builder_field_string(&builder, "action", "unload", 6, NULL);
    return send_built(sbmgr, &builder, err);
}

int sbmgr_finish(struct sbmgr *sbmgr, struct err *err)
{
    return tool_sender_finish(&sbmgr->sender, err);
}

void sbmgr_fini(struct sbmgr *sbmgr)
{
    if (sbmgr->is_open)
        tool_sender_close(&sbmgr->sender);
    sbmgr->is_open = false;
    tls_context_free(sbmgr->tls);
    sbmgr->tls = NULL;
    buffer_fini(&sbmgr->message);
    buffer_fini(&sbmgr->frame);
    conf_doc_free(sbmgr->doc);
    sbmgr->doc = NULL;
}
