/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_listen_address.c - two "NET ADDRESS" lines: each is refused with one error, or parsed into
 *                         what fits; conflicts are mutual, and nobody gets along with himself but
 *                         on port 0.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/inputs/listen_address.h"
#include "core/check.h"

enum { TEXT_MAX = 512 };

static bool parse(char *line, struct listen_address *address)
{
    struct err err = {0};
    char *space = strchr(line, ' ');
    const char *text = space != NULL ? space + 1 : "";
    if (space != NULL)
        *space = '\0';
    int rc = listen_address_parse(line, text, address, &err);
    CHECK((rc == 0) == (err.count == 0) && err.count <= 1);
    if (rc != 0)
        return false;
    CHECK(memchr(address->path, '\0', sizeof(address->path)) != NULL);
    if (address->kind == LISTEN_PATH || address->kind == LISTEN_ABSTRACT)
        CHECK(strcmp(address->path, text) == 0 && text[0] != '\0');
    if (address->kind == LISTEN_FD)
        CHECK(address->fd >= 0);
    bool is_any_port =
        address->kind == LISTEN_IP && strtol(address->parts.port, NULL, 10) == 0;
    CHECK(listen_address_conflicts(address, address) == !is_any_port);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX];
    struct listen_address a, b;
    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *second = strchr(text, '\n');
    if (second != NULL)
        *second++ = '\0';
    bool has_a = parse(text, &a);
    bool has_b = second != NULL && parse(second, &b);
    if (has_a && has_b)
        CHECK(listen_address_conflicts(&a, &b) == listen_address_conflicts(&b, &a));
    return 0;
}
