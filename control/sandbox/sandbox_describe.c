/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_describe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control/sandbox/sandbox_blob.h"
#include "core/check.h"

enum { READ_PART = 65536, REPLY_ROOM = 4096 };

static int read_script(const char *path, struct buffer *text, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd < 0 ? -1 : 1;
    while (size > 0 && text->size <= SANDBOX_SCRIPT_SIZE_MAX) {
        if (buffer_reserve(text, READ_PART) != 0)
            break;
        size = read(fd, text->data + text->size, READ_PART);
        text->size += size > 0 ? (size_t)size : 0;
    }
    int rc = size < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (rc != 0)
        return err_add(err, "Init() cannot read %s: %s", path, strerror(rc));
    if (text->size > SANDBOX_SCRIPT_SIZE_MAX)
        return err_add(err, "Init() cannot read %s: larger than %d bytes", path,
                       SANDBOX_SCRIPT_SIZE_MAX);
    if (text->size > 0 && memchr(text->data, '\0', text->size) != NULL)
        return err_add(err, "Init() %s: a NUL byte in the script", path);
    return buffer_append(text, "", 1);
}

/* The most that one call can reply, and the largest of it. */
static uint64_t largest_reply(const struct sandbox_client_config *config)
{
    uint64_t size = config->message_max;
    if (config->limits.output_limit != 0 && config->limits.output_limit + REPLY_ROOM < size)
        size = config->limits.output_limit + REPLY_ROOM;
    return sandbox_ring_frame_size(size);
}

uint64_t sandbox_describe_replies(const struct sandbox_client_config *config)
{
    uint32_t count = config->limits.max_process_inject;
    if (config->limits.max_timer_inject > count)
        count = config->limits.max_timer_inject;
    return ((uint64_t)count + 1) * largest_reply(config) + REPLY_ROOM;
}

static int add_numbers(struct buffer *blob, const struct sandbox_client_config *config)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"type", config->type},
        {"pid", (uint64_t)getpid()},
        {"memory_limit", config->limits.memory_limit},
        {"instruction_limit", config->limits.instruction_limit},
        {"output_limit", config->limits.output_limit},
        {"max_process_inject", config->limits.max_process_inject},
        {"max_timer_inject", config->limits.max_timer_inject},
        {"message_max", config->message_max},
        {"loops_max", config->loops_max},
        {"replies_need", sandbox_describe_replies(config)},
        {"reply_max", largest_reply(config)},
        {"jit", config->class == SANDBOX_CLASS_JIT},
        {"parse_only", config->is_parse_only},
        {"io", config->class == SANDBOX_CLASS_IO || config->class == SANDBOX_CLASS_INPUT},
    };
    int rc = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(numbers) && rc == 0; i++)
        rc = sandbox_blob_add_number(blob, numbers[i].key, numbers[i].value);
    return rc;
}

int sandbox_describe(const struct sandbox_client_config *config, struct buffer *blob,
                     struct err *err)
{
    struct buffer script = {0};
    int rc = read_script(config->filename, &script, err);
    if (rc == 0 && (sandbox_blob_add_text(blob, "name", config->name) != 0 ||
                    sandbox_blob_add_text(blob, "hostname", config->hostname) != 0 ||
                    sandbox_blob_add_text(blob, "filename", config->filename) != 0 ||
                    sandbox_blob_add_text(blob, "module_directory",
                                          config->module_directory) != 0 ||
                    sandbox_blob_add(blob, SANDBOX_BLOB_TEXT, "script", script.data,
                                     script.size) != 0 ||
                    add_numbers(blob, config) != 0 ||
                    sandbox_blob_add_config(blob, config->config) != 0))
        rc = err_add(err, "'%s': out of memory", config->name);
    buffer_fini(&script);
    return rc == 0 ? sandbox_blob_add_modules(blob, config->module_directory, err) : rc;
}
