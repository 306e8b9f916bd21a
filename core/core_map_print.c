/* SPDX-License-Identifier: MPL-2.0
 *
 * core_map_print.c - the resolved core map as JSON.
 */
#include "core/core_map.h"

#include <errno.h>

#include "core/core_map_address.h"

static void print_member(const char *before, const char *key, const char *text, FILE *out)
{
    fprintf(out, "%s\"%s\": ", before, key);
    json_print_text(text, out);
}

static void print_mac(const struct ether_addr *mac, FILE *out)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < ETH_ALEN; i++)
        sum |= mac->ether_addr_octet[i];
    fputs("\"", out);
    for (unsigned i = 0; i < ETH_ALEN && sum != 0; i++)
        fprintf(out, "%s%02x", i > 0 ? ":" : "", mac->ether_addr_octet[i]);
    fputs(sum == 0 ? "auto\"" : "\"", out);
}

static void print_addresses(const struct core_map_port *port, FILE *out)
{
    fputs("      \"addresses\": [", out);
    for (unsigned i = 0; i < port->address_count; i++) {
        char text[CORE_MAP_ADDRESS_TEXT_SIZE];
        core_map_address_print(&port->addresses[i], text, sizeof(text));
        fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", text);
    }
    fputs("],\n", out);
}

static void print_queues(const struct core_map_port *port, FILE *out)
{
    fputs("      \"queues\": [", out);
    for (unsigned i = 0; i < port->queue_count; i++)
        fprintf(out, "%s{\"queue\": %u, \"core\": %u}", i > 0 ? ", " : "", port->queues[i].queue,
                port->queues[i].core);
    fputs("]\n", out);
}

static void print_port(const struct core_map_port *port, FILE *out)
{
    fputs("    {\n", out);
    print_member("      ", "name", port->name, out);
    print_member(",\n      ", "profile", port->profile->name, out);
    print_member(",\n      ", "device", port->device, out);
    fprintf(out, ",\n      \"vlan\": %u,\n      \"mtu\": %u,\n", port->vlan, port->mtu);
    fprintf(out,
            "      \"promiscuous\": %s,\n      \"mac\": ", port->promiscuous ? "true" : "false");
    print_mac(&port->mac, out);
    fputs(",\n", out);
    print_addresses(port, out);
    print_queues(port, out);
    fputs("    }", out);
}

static void print_cpus(const char *key, const unsigned *cpus, unsigned count, FILE *out)
{
    fprintf(out, "  \"%s\": %s", key, count > 0 ? "[" : "\"auto\"");
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "%s%u", i > 0 ? ", " : "", cpus[i]);
    fputs(count > 0 ? "],\n" : ",\n", out);
}

static void print_cores(const struct core_map *map, FILE *out)
{
    fprintf(out, "  \"main_core\": %u,\n", map->main_core);
    print_cpus("workers", map->workers, map->worker_count, out);
    print_cpus("hekad_cores", map->hekad_cores.cpus, map->hekad_cores.count, out);
    print_cpus("sandbox_cores", map->sandbox_cores.cpus, map->sandbox_cores.count, out);
}

int core_map_print(const struct core_map *map, FILE *out)
{
    static const char *const lane_pages_names[] = {"\"auto\"", "true", "false"};
    print_member("{\n  ", "file_prefix", map->file_prefix, out);
    fputs(",\n", out);
    print_cores(map, out);
    fprintf(out, "  \"memory\": {\"pages\": \"%s\", \"mbytes\": %u, \"mbufs_per_port\": %u},\n",
            map->pages == PAGES_HUGE ? "huge" : "normal", map->memory_mbytes, map->mbufs_per_port);
    fprintf(out, "  \"lane_mbytes\": %u,\n  \"lane_huge_pages\": %s,\n", map->lane_mbytes,
            lane_pages_names[map->lane_pages]);
    fprintf(out, "  \"tcp_connections\": %u,\n", map->tcp_connections);
    fprintf(out, "  \"idle_sleep\": %s,\n  \"force\": %s,\n", map->idle_sleep ? "true" : "false",
            map->force ? "true" : "false");
    fputs("  \"ports\": [\n", out);
    for (unsigned i = 0; i < map->port_count; i++) {
        print_port(&map->ports[i], out);
        fputs(i + 1 < map->port_count ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
    return ferror(out) ? -EIO : 0;
}
