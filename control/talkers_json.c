/* SPDX-License-Identifier: MPL-2.0 */
#include "control/talkers_json.h"

#include <arpa/inet.h>

#include "control/member.h"

/* ---- JSON ---- */

/* Names are bytes, and somebody else's: neither JSON nor a terminal takes them as they are. */
static void escape(const char *bytes, char text[4 * TALKER_PREFIX_SIZE])
{
    size_t at = 0;
    for (; *bytes != '\0'; bytes++) {
        unsigned byte = (unsigned char)*bytes;
        if (byte >= 0x20 && byte < 0x7f && byte != '\\')
            text[at++] = (char)byte;
        else
            at += (size_t)snprintf(text + at, 5, "\\x%02x", byte);
    }
    text[at] = '\0';
}

json_t *talkers_json_senders(const struct talkers *talkers)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < talkers->sender_count; i++) {
        const struct talker *row = &talkers->senders[i];
        char address[INET6_ADDRSTRLEN] = "", input[4 * TALKER_PREFIX_SIZE];
        escape(row->input, input);
        inet_ntop(row->is_ipv6 != 0 ? AF_INET6 : AF_INET, row->ip, address, sizeof(address));
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "process",
                                              row->input[0] != '\0' ? "hekad" : "dataplane",
                                              "input", input, "address", address, "samples",
                                              (json_int_t)row->samples, "over_quota",
                                              (json_int_t)row->over_quota));
    }
    return list;
}

json_t *talkers_json_prefixes(const struct talkers *talkers)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < talkers->prefix_count; i++) {
        const struct talker_prefix *row = &talkers->prefixes[i];
        char prefix[4 * TALKER_PREFIX_SIZE], accumulator[4 * TALKER_PREFIX_SIZE];
        escape(row->prefix, prefix);
        escape(row->accumulator, accumulator);
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "accumulator", accumulator,
                                              "prefix", prefix, "refused", (json_int_t)row->refused,
                                              "error", (json_int_t)row->error));
    }
    return list;
}

/* ---- text ---- */

void talkers_json_print(const json_t *status, FILE *out)
{
    json_t *senders = json_object_get(status, "senders"), *row;
    json_t *prefixes = json_object_get(status, "refused_names");
    size_t i;
    if (json_array_size(senders) > 0)
        fprintf(out, "\n%-40s %-20s %16s %12s\n", "senders of statsd", "to", "samples",
                "over quota");
    json_array_foreach(senders, i, row)
        fprintf(out, "  %-38s %-20s %16lld %12lld\n", member_text(row, "address"),
                member_text(row, "input")[0] != '\0' ? member_text(row, "input") : "data plane",
                member_integer(row, "samples"), member_integer(row, "over_quota"));
    if (json_array_size(prefixes) > 0)
        fprintf(out, "\n%-40s %-20s %16s %12s\n", "prefixes of refused names", "accumulator",
                "samples", "at most less");
    json_array_foreach(prefixes, i, row)
        fprintf(out, "  %-38s %-20s %16lld %12lld\n", member_text(row, "prefix"),
                member_text(row, "accumulator"), member_integer(row, "refused"),
                member_integer(row, "error"));
}
