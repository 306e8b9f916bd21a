/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/access_message.h"

#include <stdio.h>

#include "core/check.h"
#include "core/message.h"

static const char line_format[] =
    "127.0.0.1 - - [10/Feb/2014:08:46:41 -0800] \"GET /images/logo.png?v=%u HTTP/1.1\" %d %u "
    "\"http://www.example.com/index.html\" \"Mozilla/5.0 (X11; Linux x86_64; rv:115.0) "
    "Gecko/20100101 Firefox/115.0\"";

size_t access_message_build(unsigned number, bool has_line, uint8_t *bytes)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    static const int64_t statuses[] = {200, 200, 200, 304, 404, 200, 302, 500};
    int64_t status = statuses[number % ARRAY_COUNT(statuses)];
    char line[ACCESS_MESSAGE_SIZE / 2];
    struct msg_builder builder;
    int len = snprintf(line, sizeof(line), line_format, number, (int)status, number * 7);
    msg_builder_init(&builder, bytes, ACCESS_MESSAGE_SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, INT64_C(1700000000000000000) + number * INT64_C(1000000000));
    msg_builder_type(&builder, "access", 6);
    msg_builder_logger(&builder, "web", 3);
    if (has_line)
        msg_builder_payload(&builder, line, (size_t)len);
    msg_builder_hostname(&builder, "www1.example.com", 16);
    msg_builder_field_string(&builder, "request", "GET /index.html HTTP/1.1", 24, "");
    msg_builder_field_integer(&builder, "status", status, "");
    msg_builder_field_integer(&builder, "size", number, "B");
    int64_t size = msg_builder_finish(&builder);
    CHECK(size > 0);
    return (size_t)size;
}
