/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/listener.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/check.h"

enum { SLOTS = 4 * LISTENERS_MAX }; /* at most a quarter is used, so that probes are short */
_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a mask is used");

struct listener_table {
    uint16_t count;
    uint16_t slots[SLOTS]; /* LISTENER_NONE: free */
    struct listener_address addresses[LISTENERS_MAX];
};

static uint32_t address_hash(const struct listener_address *address)
{
    uint32_t hash = address->port_be + (address->is_ipv6 ? 1u << 16 : 0u);
    for (unsigned i = 0; i < sizeof(address->ip); i++)
        hash = (hash ^ address->ip[i]) * 0x01000193u;
    return hash ^ hash >> 16;
}

static bool address_equal(const struct listener_address *a, const struct listener_address *b)
{
    return a->is_ipv6 == b->is_ipv6 && a->port_be == b->port_be &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* The slot of `address`, or the free one where it belongs. */
static unsigned slot_of(const struct listener_table *table, const struct listener_address *address)
{
    unsigned slot = address_hash(address) & (SLOTS - 1);
    while (table->slots[slot] != LISTENER_NONE &&
           !address_equal(&table->addresses[table->slots[slot]], address))
        slot = (slot + 1) & (SLOTS - 1);
    return slot;
}

static struct listener_address address_make(bool is_ipv6, const uint8_t *ip, uint16_t port_be)
{
    struct listener_address address = {.is_ipv6 = is_ipv6, .port_be = port_be};
    if (ip != NULL)
        memcpy(address.ip, ip, is_ipv6 ? 16 : 4);
    return address;
}

static int add_address(struct listener_table *table, const struct listener_address *source,
                       struct err *err)
{
    struct listener_address address =
        address_make(source->is_ipv6, source->ip, source->port_be);
    unsigned slot = slot_of(table, &address);
    if (table->slots[slot] != LISTENER_NONE) {
        char text[LISTENER_TEXT_SIZE];
        listener_address_print(&address, text);
        return err_add(err, "listeners %u and %u have the same address %s",
                       (unsigned)table->slots[slot], (unsigned)table->count, text);
    }
    table->slots[slot] = table->count;
    table->addresses[table->count] = address;
    return 0;
}

int listener_table_build(const struct listener_address *addresses, size_t count,
                         struct listener_table **out, struct err *err)
{
    int result = 0;
    if (count > LISTENERS_MAX)
        return err_add(err, "%zu UDP listeners; at most %d are possible", count, LISTENERS_MAX);
    struct listener_table *table = calloc(1, sizeof(*table));
    if (table == NULL)
        return err_add(err, "no memory for the table of listeners");
    memset(table->slots, 0xFF, sizeof(table->slots));
    for (size_t i = 0; i < count; i++, table->count++)
        if (add_address(table, &addresses[i], err) != 0)
            result = -1;
    if (result != 0)
        goto out;
    *out = table;
    table = NULL;
out:
    listener_table_free(table);
    return result;
}

void listener_table_free(struct listener_table *table)
{
    free(table);
}

uint16_t listener_find(const struct listener_table *table, bool is_ipv6, const uint8_t *ip,
                       uint16_t port_be)
{
    struct listener_address exact = address_make(is_ipv6, ip, port_be);
    uint16_t found = table->slots[slot_of(table, &exact)];
    if (found != LISTENER_NONE)
        return found;
    struct listener_address any = address_make(is_ipv6, NULL, port_be);
    return table->slots[slot_of(table, &any)];
}

size_t listener_count(const struct listener_table *table)
{
    return table->count;
}

const struct listener_address *listener_at(const struct listener_table *table, size_t index)
{
    CHECK(index < table->count);
    return &table->addresses[index];
}

int listener_address_parse(const char *text, struct listener_address *address)
{
    struct core_map_address parsed;
    uint16_t port;
    if (address_parse(text, &parsed, &port) != 0)
        return -1;
    *address = (struct listener_address){.is_ipv6 = parsed.is_ipv6, .port_be = htons(port)};
    memcpy(address->ip, &parsed.ip6, parsed.is_ipv6 ? 16 : 4);
    return 0;
}

void listener_address_print(const struct listener_address *address, char *text)
{
    char host[INET6_ADDRSTRLEN];
    inet_ntop(address->is_ipv6 ? AF_INET6 : AF_INET, address->ip, host, sizeof(host));
    snprintf(text, LISTENER_TEXT_SIZE, address->is_ipv6 ? "[%s]:%u" : "%s:%u", host,
             (unsigned)ntohs(address->port_be));
}
