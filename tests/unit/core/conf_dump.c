/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/core/conf_dump.h"

#include <inttypes.h>
#include <string.h>

#include "core/check.h"

static void dump_text(const char *text, size_t len, FILE *out)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == '"' || c == '\\' || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void dump_value(const struct conf_node *node, FILE *out)
{
    switch (node->type) {
    case CONF_STRING:
        CHECK(node->str[node->str_len] == '\0');
        dump_text(node->str, node->str_len, out);
        break;
    case CONF_INT:
    case CONF_DATE:
        fprintf(out, "%" PRId64, node->i);
        break;
    case CONF_FLOAT:
        fprintf(out, "%.17g", node->d);
        break;
    case CONF_BOOL:
        fputs(node->b ? "true" : "false", out);
        break;
    case CONF_TABLE:
    case CONF_ARRAY:
        fprintf(out, "(%u)", node->count);
        break;
    }
}

void conf_dump(const struct conf_node *node, unsigned depth, FILE *out)
{
    fprintf(out, "%4u %*s%s ", node->line, (int)depth * 2, "", conf_type_name(node->type));
    if (node->key != NULL)
        fprintf(out, "%s = ", node->key);
    dump_value(node, out);
    fputc('\n', out);
    if (node->type != CONF_TABLE && node->type != CONF_ARRAY)
        return;
    unsigned count = 0;
    for (const struct conf_node *child = node->first; child != NULL; child = child->next) {
        CHECK((child->key != NULL) == (node->type == CONF_TABLE));
        CHECK((child->next == NULL) == (child == node->last));
        conf_dump(child, depth + 1, out);
        count++;
    }
    CHECK(count == node->count);
}

const char *conf_fake_environment(const char *name)
{
    static const char *const values[][2] = {
        {"ONE", "1"},
        {"ENCODER", "PayloadEncoder"},
        {"LINES", "a = 1\nb = 2\nc = "},
        {"NESTED", "%ENV[ONE]"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        if (strcmp(values[i][0], name) == 0)
            return values[i][1];
    return NULL;
}

void profile_dump(const struct nic_profile *profile, FILE *out)
{
    CHECK(profile != NULL);
    fprintf(out, "name %s\ndriver %s\nbus %s\neal_device %s\n", profile->name, profile->driver,
            profile->bus == NIC_PCI ? "pci" : "vdev", profile->eal_device);
    fprintf(out, "device_help %s\ndevice_required %d\n", profile->device_help,
            profile->device_required);
    fprintf(out, "queues %u auto %u\ndescriptors %u %u\nburst %u\n", profile->queues_max,
            profile->queues_auto, profile->rx_descriptors, profile->tx_descriptors, profile->burst);
    fprintf(out, "mtu %u max %u\nmbuf_data_bytes %u\n", profile->mtu_default, profile->mtu_max,
            profile->mbuf_data_bytes);
    fprintf(out, "rss %d rx_checksum %d checksum_unfinished %d mtu_settable %d\n", profile->rss,
            profile->rx_checksum, profile->checksum_unfinished, profile->mtu_settable);
    fprintf(out, "promiscuous_needed %d counts_missed %d ends %d sleeps %d creates_socket %d\n",
            profile->promiscuous_needed, profile->counts_missed, profile->ends, profile->sleeps,
            profile->creates_socket);
    fprintf(out, "needs %s\nnotes %s\n", profile->needs, profile->notes);
}
