/* SPDX-License-Identifier: MPL-2.0 */
#include "control/tools/flood_config.h"

#define AT(member)        .offset = offsetof(struct flood_config, member)
#define PERCENT           .type = SCHEMA_FLOAT, .min = 0, .max = 100, .unit = "%"

static const char *const senders[] = {"tcp", "udp", NULL};
static const struct schema_key keys[] = {
    {.key = "ip_address",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     AT(ip_address),
     .help = "HOST:PORT to send to."},
    {.key = "sender",
     .type = SCHEMA_CHOICE,
     AT(sender),
     .def = "tcp",
     .choices = senders,
     .help = "Transport."},
    {.key = "num_messages",
     .type = SCHEMA_INT,
     AT(num_messages),
     .min = 0,
     .max = 9e18,
     .def = "0",
     .help = "Messages to send; 0: until SIGINT."},
    {.key = "message_interval",
     .type = SCHEMA_DURATION,
     AT(message_interval),
     .min = 0,
     .max = 3600e9,
     .def = "0",
     .help = "Pause behind each message."},
    {.key = "static_message_size",
     .type = SCHEMA_INT,
     AT(static_message_size),
     .min = 0,
     .max = FLOOD_MESSAGE_LIMIT,
     .def = "1000",
     .unit = "bytes",
     .help = "Random bytes in the payload; 0: 1000."},
    {.key = "variable_size_messages",
     .type = SCHEMA_BOOL,
     AT(variable_size_messages),
     .def = "false",
     .help = "Payloads and fields of all sizes instead."},
    {.key = "ascii_only",
     .type = SCHEMA_BOOL,
     AT(ascii_only),
     .def = "false",
     .help = "Random bytes are printable ASCII."},
    {.key = "corrupt_percentage",
     PERCENT,
     AT(corrupt_percentage),
     .def = "0",
     .help = "Messages that are damaged."},
    {.key = "signed_percentage",
     PERCENT,
     AT(signed_percentage),
     .def = "0",
     .help = "Messages that are signed."},
    {.key = "signed_corrupt_percentage",
     PERCENT,
     AT(signed_corrupt_percentage),
     .def = "0",
     .help = "Of the signed ones, those with a wrong HMAC."},
    {.key = "oversized_percentage",
     PERCENT,
     AT(oversized_percentage),
     .def = "0",
     .help = "Messages that are larger than max_message_size."},
    {.key = "signer",
     .type = SCHEMA_TABLE,
     AT(signer),
     .sub = &signer_schema,
     .help = "Who signs."},
    {.key = "max_message_size",
     .type = SCHEMA_INT,
     AT(max_message_size),
     .min = FLOOD_MESSAGE_MIN,
     .max = FLOOD_MESSAGE_LIMIT,
     .def = "65536",
     .unit = "bytes",
     .help = "As [hekad] max_message_size of the receiver."},
    {.key = "reconnect_on_error",
     .type = SCHEMA_BOOL,
     AT(reconnect_on_error),
     .def = "false",
     .help = "Goes on with a new connection."},
    {.key = "reconnect_interval",
     .type = SCHEMA_INT,
     AT(reconnect_interval),
     .min = 0,
     .max = 3600,
     .def = "5",
     .unit = "s",
     .help = "Pause before that."},
    {.key = "seed",
     .type = SCHEMA_INT,
     AT(seed),
     .min = 0,
     .max = 9e18,
     .def = "1",
     .help = "The same seed makes the same messages, but for the time, host and pid."},
    {.key = "pprof_file", .type = SCHEMA_STRING, AT(pprof_file), .def = "", .help = "Ignored."},
    {.key = "encoder",
     .type = SCHEMA_STRING,
     AT(encoder),
     .def = "",
     .help = "Ignored: always protobuf."},
    {.key = "use_tls", .type = SCHEMA_BOOL, AT(use_tls), .def = "false",
     .help = "TLS, as [X.tls] says; with tcp."},
    {.key = "tls",
     .type = SCHEMA_TABLE,
     AT(tls),
     .sub = &tls_schema,
     .help = "Only with use_tls."},
    {.key = NULL},
};

const struct schema flood_schema = {.name = "heka-flood", .keys = keys};

static int check_sizes(const struct flood_config *config, const struct conf_node *node,
                       struct err *err)
{
    if (config->signed_percentage + config->oversized_percentage > 100)
        err_at(err, node->file, node->line,
               "signed_percentage and oversized_percentage are more than 100 together");
    if (config->variable_size_messages && config->max_message_size < 65536)
        err_at(err, node->file, node->line,
               "variable_size_messages needs a max_message_size of 65536 at least");
    if (config->sender == FLOOD_UDP && config->oversized_percentage > 0 &&
        config->max_message_size >= FLOOD_DATAGRAM_MAX - 4096)
        err_at(err, node->file, node->line,
               "oversized_percentage: such a message fits in no datagram; max_message_size may be "
               "%d at most with sender = \"udp\"",
               FLOOD_DATAGRAM_MAX - 4097);
    return err->count > 0 ? -1 : 0;
}

static int check(const struct flood_config *config, const struct conf_node *node, struct err *err)
{
    if (config->use_tls && config->sender == FLOOD_UDP)
        err_at(err, node->file, node->line, "use_tls: there is no TLS with sender = \"udp\"");
    if (config->signed_percentage > 0 && config->signer.name[0] == '\0')
        err_at(err, node->file, node->line, "signed_percentage needs a [%s.signer] with a name",
               node->key);
    if (config->signed_corrupt_percentage > 0 && config->signed_percentage <= 0)
        err_at(err, node->file, node->line,
               "signed_corrupt_percentage needs a signed_percentage over 0");
    return check_sizes(config, node, err);
}

int flood_config_read(struct conf_doc *doc, const char *test, struct flood_config *config,
                      struct err *err)
{
    const struct conf_node *node = conf_get(conf_root(doc), test);
    *config = (struct flood_config){0};
    if (node == NULL || node->type != CONF_TABLE)
        return err_add(err, "Configuration test: '%s' was not found", test);
    if (schema_apply(&flood_schema, node, test, NULL, doc, config, err) != 0)
        return -1;
    if (config->static_message_size == 0)
        config->static_message_size = 1000;
    return check(config, node, err);
}
