/* SPDX-License-Identifier: MPL-2.0
 *
 * inject_main.c - heka-inject: one message, or those of a JSON file, to a Heka over TCP.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "codec/message_read.h"
#include "control/tools/tool_option.h"
#include "control/tools/tool_sender.h"
#include "core/clock.h"
#include "core/conf.h"
#include "core/frame.h"

enum { MEMBERS = 8, NUMBER_SIZE = 24, HOSTNAME_SIZE = 256, READ_SIZE = 65536 };

struct arguments {
    const char *heka, *type, *logger, *payload, *hostname, *json;
    int64_t severity, pid, message_max;
    bool use_tls;
    struct tls_options tls;
};

/* ---- a message of the options and of NAME=VALUE ---- */

struct pairs {
    const char **texts;
    size_t count;
    char *made[MEMBERS]; /* those of the options */
    size_t made_count;
};

/* An argument "NAME=VALUE" goes before the option. */
static bool is_given(const struct tool_arguments *operands, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < operands->operand_count; i++) {
        if (strncmp(operands->operands[i], name, len) == 0 && operands->operands[i][len] == '=')
            return true;
    }
    return false;
}

static int add_pair(struct pairs *pairs, const struct tool_arguments *operands, const char *name,
                    const char *value)
{
    char *text = NULL;
    if (is_given(operands, name))
        return 0;
    if (asprintf(&text, "%s=%s", name, value) < 0)
        return -ENOMEM;
    pairs->made[pairs->made_count++] = text;
    pairs->texts[pairs->count++] = text;
    return 0;
}

static int add_options(struct pairs *pairs, const struct arguments *arguments,
                       const struct tool_arguments *operands)
{
    char uuid[MSG_UUID_TEXT_LEN + 1] = {0}, time[NUMBER_SIZE], severity[NUMBER_SIZE];
    char pid[NUMBER_SIZE], hostname[HOSTNAME_SIZE] = {0};
    uint64_t random[2] = {0};
    uint8_t bytes[MSG_UUID_SIZE];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -errno;
    msg_uuid_from_random(bytes, random[0], random[1]);
    msg_uuid_text(bytes, uuid);
    gethostname(hostname, sizeof(hostname) - 1);
    snprintf(time, sizeof(time), "%" PRIu64, clock_wall_ns());
    snprintf(severity, sizeof(severity), "%" PRId64, arguments->severity);
    snprintf(pid, sizeof(pid), "%" PRId64,
             arguments->pid != 0 ? arguments->pid : (int64_t)getpid());
    const struct {
        const char *name, *value;
    } members[MEMBERS] = {
        {"Uuid", uuid},
        {"Timestamp", time},
        {"Type", arguments->type},
        {"Logger", arguments->logger},
        {"Severity", severity},
        {"Payload", arguments->payload},
        {"Pid", pid},
        {"Hostname", arguments->hostname[0] != '\0' ? arguments->hostname : hostname},
    };
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (add_pair(pairs, operands, members[i].name, members[i].value) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int build_message(const struct arguments *arguments, const struct tool_arguments *operands,
                         struct buffer *message, struct err *err)
{
    struct pairs pairs = {0};
    pairs.texts = calloc((size_t)operands->operand_count + MEMBERS, sizeof(*pairs.texts));
    int rc = pairs.texts != NULL ? add_options(&pairs, arguments, operands) : -ENOMEM;
    if (rc != 0) {
        err_add(err, "heka-inject: %s", strerror(-rc));
    } else {
        for (int i = 0; i < operands->operand_count; i++)
            pairs.texts[pairs.count++] = operands->operands[i];
        rc = message_read_pairs(pairs.texts, pairs.count, message, err);
    }
    for (size_t i = 0; i < pairs.made_count; i++)
        free(pairs.made[i]);
    free(pairs.texts);
    return rc != 0 ? -1 : 0;
}

/* ---- sending ---- */

static int send_message(struct tool_sender *sender, const struct arguments *arguments,
                        const struct buffer *message, struct err *err)
{
    struct buffer frame = {.max_size = (size_t)arguments->message_max + FRAME_OVERHEAD_MAX};
    if (message->size > (size_t)arguments->message_max)
        return err_add(err, "the message has %zu bytes, allowed are %" PRId64, message->size,
                       arguments->message_max);
    if (buffer_reserve(&frame, message->size + FRAME_OVERHEAD_MAX) != 0)
        return err_add(err, "heka-inject: %s", strerror(ENOMEM));
    int64_t size = frame_write(frame.data, frame.capacity, message->data, message->size,
                               (size_t)arguments->message_max, NULL);
    int rc = size > 0 ? tool_sender_send(sender, frame.data, (size_t)size, err)
                      : err_add(err, "heka-inject: %s", strerror((int)-size));
    buffer_fini(&frame);
    return rc;
}

static int read_text(const char *path, struct buffer *text, struct err *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL)
        return err_add(err, "%s: %s", path, strerror(errno));
    int rc = 0;
    size_t got = 0;
    do {
        rc = buffer_reserve(text, READ_SIZE);
        if (rc == 0) {
            got = fread(text->data + text->size, 1, READ_SIZE, file);
            text->size += got;
        }
    } while (rc == 0 && got > 0);
    if (rc == 0 && ferror(file))
        rc = -EIO;
    if (file != stdin)
        fclose(file);
    if (rc == -ENOSPC)
        return err_add(err, "%s: larger than %d MiB", path, CONF_TEXT_MAX >> 20);
    return rc == 0 ? 0 : err_add(err, "%s: %s", path, strerror(-rc));
}

/* Messages as they are there, in one connection. */
static int send_json(struct tool_sender *sender, const struct arguments *arguments,
                     const struct buffer *text, struct buffer *message, struct err *err)
{
    size_t at = 0, sent = 0;
    int rc;
    do {
        size_t used = 0;
        buffer_clear(message);
        rc = message_read_json(text->data + at, text->size - at, &used, message, err);
        at += used;
        if (rc == 1 && send_message(sender, arguments, message, err) != 0)
            rc = -1;
        sent += rc == 1;
    } while (rc == 1 || (rc == 0 && at < text->size));
    if (rc == 0 && sent == 0)
        rc = err_add(err, "%s: there is no message in it", arguments->json);
    if (rc != 0)
        err_add(err, "%s: %zu messages were sent", arguments->json, sent);
    return rc;
}

static int send_all(const struct arguments *arguments, const struct tool_arguments *operands,
                    struct err *err)
{
    struct buffer text = {.max_size = CONF_TEXT_MAX}, message = {0};
    struct tool_sender sender = {.fd = -1};
    struct tls_context *tls = NULL;
    bool is_json = arguments->json[0] != '\0';
    message.max_size = (size_t)arguments->message_max;
    int rc = is_json ? read_text(arguments->json, &text, err)
                     : build_message(arguments, operands, &message, err);
    if (rc == 0 && arguments->use_tls)
        rc = tls_context_new(&arguments->tls, TLS_CLIENT, &tls, err);
    if (rc == 0)
        rc = tool_sender_open(&sender, arguments->heka, false, tls, err);
    if (rc == 0)
        rc = is_json ? send_json(&sender, arguments, &text, &message, err)
                     : send_message(&sender, arguments, &message, err);
    if (rc == 0)
        rc = tool_sender_finish(&sender, err);
    tool_sender_close(&sender);
    tls_context_free(tls);
    buffer_fini(&message);
    buffer_fini(&text);
    return rc;
}

int main(int argc, char **argv)
{
    static struct err err;
    struct arguments arguments = {.heka = "127.0.0.1:5565",
                                  .type = "inject.message",
                                  .logger = "Inject Client",
                                  .payload = "",
                                  .hostname = "",
                                  .json = "",
                                  .tls = {.root_cafile = "", .server_name = "", .cert_file = "",
                                          .key_file = ""},
                                  .severity = MSG_SEVERITY_DEFAULT,
                                  .message_max = MSG_SIZE_DEFAULT_MAX};
    const struct tool_option options[] = {
        {"heka", TOOL_TEXT, &arguments.heka, 0, 0, "HOST:PORT of a TcpInput"},
        {"type", TOOL_TEXT, &arguments.type, 0, 0, "Type"},
        {"logger", TOOL_TEXT, &arguments.logger, 0, 0, "Logger"},
        {"severity", TOOL_NUMBER, &arguments.severity, INT32_MIN, INT32_MAX, "Severity"},
        {"payload", TOOL_TEXT, &arguments.payload, 0, 0, "Payload"},
        {"pid", TOOL_NUMBER, &arguments.pid, INT32_MIN, INT32_MAX, "Pid; 0: its own"},
        {"hostname", TOOL_TEXT, &arguments.hostname, 0, 0, "Hostname; default: this machine's"},
        {"json", TOOL_TEXT, &arguments.json, 0, 0,
         "file, or -, with messages as JSON, instead of all that"},
        {"max-message-size", TOOL_NUMBER, &arguments.message_max, 1, INT32_MAX,
         "bytes; a larger message is refused"},
        {"use_tls", TOOL_FLAG, &arguments.use_tls, 0, 0, "TLS; the options below are [X.tls]'s"},
        {"root_cafile", TOOL_TEXT, &arguments.tls.root_cafile, 0, 0, "PEM file with servers' CAs"},
        {"server_name", TOOL_TEXT, &arguments.tls.server_name, 0, 0,
         "name that the certificate must have; default: the host"},
        {"insecure_skip_verify", TOOL_FLAG, &arguments.tls.insecure_skip_verify, 0, 0,
         "accepts any certificate"},
        {"cert_file", TOOL_TEXT, &arguments.tls.cert_file, 0, 0, "PEM file with a certificate"},
        {"key_file", TOOL_TEXT, &arguments.tls.key_file, 0, 0, "PEM file with its key"},
    };
    const struct tool tool = {"heka-inject", "sends a message to Heka",
                              " [NAME=VALUE...] (Fields[NAME]=VALUE, EnvVersion=VALUE, ...)",
                              options, sizeof(options) / sizeof(options[0])};
    struct tool_arguments operands;
    int rc = tool_parse(&tool, argc, argv, &operands, &err);
    if (rc == 0 && !operands.is_done) {
        if (arguments.json[0] != '\0' && operands.operand_count > 0)
            rc = err_add(&err, "-json and NAME=VALUE do not go together; see heka-inject -help");
        else if (operands.given == 0 && operands.operand_count == 0)
            tool_print_help(&tool, stdout); /* as Heka does */
        else
            rc = send_all(&arguments, &operands, &err);
    }
    err_print(&err, stderr);
    return rc != 0;
}
