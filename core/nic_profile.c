/* SPDX-License-Identifier: MPL-2.0 */
#include "core/nic_profile.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/conf_build.h"

enum {
    NIC_NAME_LEN_MAX = 31,
    NIC_NAMES_SIZE = NIC_PROFILES_MAX * (NIC_NAME_LEN_MAX + 2) + 1, /* with ", " */
    NIC_MBUF_ALIGN = 64,
    NIC_MTU_MAX = 64000 /* a frame and its headroom fit into the 16 bits of an mbuf */
};

struct nic_profiles {
    struct nic_profile items[NIC_PROFILES_MAX]; /* by name */
    struct conf_doc *docs[NIC_PROFILES_MAX];
    unsigned count;
    char names[NIC_NAMES_SIZE];
};

/* ---- keys ---- */

struct profile_keys {
    const char *driver, *eal_device, *device_help, *needs, *notes;
    int bus;
    bool device_required, rss, rx_checksum, checksum_unfinished, mtu_settable, promiscuous_needed,
        counts_missed, ends, sleeps, creates_socket;
    int64_t queues_max, queues_auto, rx_descriptors, tx_descriptors, burst, mtu_default, mtu_max,
        mbuf_data_bytes;
};

static const char *const bus_choices[] = {[NIC_PCI] = "pci", [NIC_VDEV] = "vdev", NULL};

/* clang-format off */
#define AT(member) offsetof(struct profile_keys, member)
static const struct schema_key profile_schema_keys[] = {
    {.key = "driver", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .offset = AT(driver),
     .help = "DPDK's name of the driver, as in dev_info"},
    {.key = "bus", .type = SCHEMA_CHOICE, .flags = SCHEMA_REQUIRED, .offset = AT(bus),
     .choices = bus_choices, .help = "pci: eal_device goes to -a, vdev: to --vdev"},
    {.key = "eal_device", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .offset = AT(eal_device),
     .help = "EAL device argument; {index} {device} {queues} are replaced by the port's values"},
    {.key = "device_help", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .offset = AT(device_help), .help = "what device means in a core map, for error texts"},
    {.key = "device_required", .type = SCHEMA_BOOL, .offset = AT(device_required),
     .def = "false", .help = "a core map must name a device"},
    {.key = "queues_max", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .offset = AT(queues_max),
     .min = 1, .max = 16, .unit = "queues", .help = "receive queues that a port can have"},
    {.key = "queues_auto", .type = SCHEMA_INT, .flags = SCHEMA_AUTO, .offset = AT(queues_auto),
     .min = 1, .max = 16, .def = "auto", .unit = "queues",
     .help = "receive queues that \"auto\" takes at most in a core map; auto: queues_max"},
    {.key = "rx_descriptors", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED,
     .offset = AT(rx_descriptors), .min = 32, .max = 16384, .unit = "frames",
     .help = "room in one receive queue, a power of two"},
    {.key = "tx_descriptors", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED,
     .offset = AT(tx_descriptors), .min = 32, .max = 16384, .unit = "frames",
     .help = "room in one transmit queue, a power of two"},
    {.key = "burst", .type = SCHEMA_INT, .offset = AT(burst), .min = 1, .max = 64, .def = "32",
     .unit = "frames", .help = "frames asked for at once"},
    {.key = "mtu_default", .type = SCHEMA_INT, .offset = AT(mtu_default), .min = 68,
     .max = NIC_MTU_MAX, .def = "1500", .unit = "bytes", .help = "what \"auto\" is in a core map"},
    {.key = "mtu_max", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .offset = AT(mtu_max),
     .min = 68, .max = NIC_MTU_MAX, .unit = "bytes", .help = "largest MTU of the port"},
    {.key = "mbuf_data_bytes", .type = SCHEMA_INT, .offset = AT(mbuf_data_bytes), .min = 256,
     .max = 65408, .def = "2048", .unit = "bytes",
     .help = "room for frame bytes in one mbuf, headroom not counted; a larger MTU raises it"},
    {.key = "rss", .type = SCHEMA_BOOL, .offset = AT(rss), .def = "false",
     .help = "ask for RSS over addresses and ports"},
    {.key = "rx_checksum", .type = SCHEMA_BOOL, .offset = AT(rx_checksum), .def = "false",
     .help = "ask for receive checksum flags and believe them"},
    {.key = "checksum_unfinished", .type = SCHEMA_BOOL, .offset = AT(checksum_unfinished),
     .def = "false",
     .help = "frames of a local kernel sender may carry checksums that are not finished"},
    {.key = "mtu_settable", .type = SCHEMA_BOOL, .offset = AT(mtu_settable), .def = "false",
     .help = "the MTU may be set through DPDK"},
    {.key = "promiscuous_needed", .type = SCHEMA_BOOL, .offset = AT(promiscuous_needed),
     .def = "false", .help = "what \"auto\" is for promiscuous in a core map"},
    {.key = "counts_missed", .type = SCHEMA_BOOL, .offset = AT(counts_missed), .def = "false",
     .help = "the device counts frames that it had to drop (imissed)"},
    {.key = "ends", .type = SCHEMA_BOOL, .offset = AT(ends), .def = "false",
     .help = "delivers a trace that comes to its end"},
    {.key = "sleeps", .type = SCHEMA_BOOL, .offset = AT(sleeps), .def = "false",
     .help = "software port on a shared machine: idle workers sleep"},
    {.key = "creates_socket", .type = SCHEMA_BOOL, .offset = AT(creates_socket), .def = "false",
     .help = "device is a UNIX socket that the port makes; one left by an earlier run is removed"},
    {.key = "needs", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .offset = AT(needs),
     .help = "rights, packages and preparations"},
    {.key = "notes", .type = SCHEMA_STRING, .offset = AT(notes), .def = "",
     .help = "what else to know"},
    {.key = NULL},
};
#undef AT
/* clang-format on */

const struct schema nic_profile_schema = {"NIC profile", profile_schema_keys};

static void set_profile(struct nic_profile *profile, const struct profile_keys *keys)
{
    int64_t queues_auto = keys->queues_auto;
    *profile = (struct nic_profile){
        .name = profile->name,
        .driver = keys->driver,
        .bus = (enum nic_bus)keys->bus,
        .eal_device = keys->eal_device,
        .device_help = keys->device_help,
        .device_required = keys->device_required,
        .queues_max = (unsigned)keys->queues_max,
        .queues_auto =
            (unsigned)(queues_auto == SCHEMA_AUTO_VALUE ? keys->queues_max : queues_auto),
        .rx_descriptors = (unsigned)keys->rx_descriptors,
        .tx_descriptors = (unsigned)keys->tx_descriptors,
        .burst = (unsigned)keys->burst,
        .mtu_default = (unsigned)keys->mtu_default,
        .mtu_max = (unsigned)keys->mtu_max,
        .mbuf_data_bytes = (unsigned)keys->mbuf_data_bytes,
        .rss = keys->rss,
        .rx_checksum = keys->rx_checksum,
        .checksum_unfinished = keys->checksum_unfinished,
        .mtu_settable = keys->mtu_settable,
        .promiscuous_needed = keys->promiscuous_needed,
        .counts_missed = keys->counts_missed,
        .ends = keys->ends,
        .sleeps = keys->sleeps,
        .creates_socket = keys->creates_socket,
        .needs = keys->needs,
        .notes = keys->notes,
    };
}

/* ---- checks across keys ---- */

struct check {
    const struct conf_node *root;
    const struct nic_profile *profile;
    int result;
    struct err *err;
};

static void refuse(struct check *check, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void refuse(struct check *check, const char *key, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    const struct conf_node *node = conf_get(check->root, key);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_at(check->err, check->root->file, node != NULL ? node->line : check->root->line, "%s: %s",
           key, text);
    check->result = -1;
}

static void check_power_of_two(struct check *check, const char *key, unsigned value)
{
    if ((value & (value - 1)) != 0)
        refuse(check, key, "found %u, allowed are powers of two from 32 to 16384", value);
}

/* Length of the placeholder at `text`, which begins with '{'; 0 when there is no such one. */
static size_t placeholder_len(const char *text)
{
    static const char *const names[] = {"{index}", "{device}", "{queues}"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strncmp(text, names[i], strlen(names[i])) == 0)
            return strlen(names[i]);
    return 0;
}

static void check_template(struct check *check)
{
    const struct nic_profile *profile = check->profile;
    for (const char *at = profile->eal_device; (at = strpbrk(at, "{}")) != NULL; at++) {
        size_t len = placeholder_len(at);
        if (len == 0) {
            refuse(check, "eal_device", "found '%.20s', allowed are {index}, {device} and {queues}",
                   at);
            return;
        }
        at += len - 1;
    }
    if (profile->bus == NIC_VDEV && strstr(profile->eal_device, "{index}") == NULL)
        refuse(check, "eal_device", "found no {index}, required with bus \"vdev\"");
    if (profile->device_required && strstr(profile->eal_device, "{device}") == NULL)
        refuse(check, "eal_device", "found no {device}, required with device_required");
}

static int check_profile(const struct conf_node *root, const struct nic_profile *profile,
                         struct err *err)
{
    struct check check = {.root = root, .profile = profile, .err = err};
    if (profile->queues_auto > profile->queues_max)
        refuse(&check, "queues_auto", "found %u, allowed at most queues_max (%u)",
               profile->queues_auto, profile->queues_max);
    if (profile->mtu_default > profile->mtu_max)
        refuse(&check, "mtu_default", "found %u, allowed at most mtu_max (%u)",
               profile->mtu_default, profile->mtu_max);
    if (profile->mbuf_data_bytes % NIC_MBUF_ALIGN != 0)
        refuse(&check, "mbuf_data_bytes", "found %u, allowed are multiples of %d",
               profile->mbuf_data_bytes, NIC_MBUF_ALIGN);
    check_power_of_two(&check, "rx_descriptors", profile->rx_descriptors);
    check_power_of_two(&check, "tx_descriptors", profile->tx_descriptors);
    check_template(&check);
    return check.result;
}

/* ---- loading ---- */

static int parse_profile(struct conf_doc *doc, struct nic_profile *profile, const char *name,
                         struct err *err)
{
    struct profile_keys keys;
    if (schema_apply(&nic_profile_schema, doc->root, "NIC profile", NULL, doc, &keys, err) != 0)
        return -1;
    profile->name = conf_text(doc, name, strlen(name));
    if (profile->name == NULL)
        return err_at(err, doc->file, 0, "out of memory");
    set_profile(profile, &keys);
    return check_profile(doc->root, profile, err);
}

static int load_file(struct nic_profiles *profiles, const char *dir, const char *file_name,
                     struct err *err)
{
    char path[PATH_MAX], name[NIC_NAME_LEN_MAX + 1];
    size_t name_len = strlen(file_name) - strlen(".json");
    int path_len = snprintf(path, sizeof(path), "%s/%s", dir, file_name);
    if (path_len < 0 || (size_t)path_len >= sizeof(path))
        return err_add(err, "%s/%s: the path is too long", dir, file_name);
    if (name_len == 0 || name_len > NIC_NAME_LEN_MAX)
        return err_at(err, path, 0, "found a name of %zu bytes, allowed 1 to %d", name_len,
                      NIC_NAME_LEN_MAX);
    if (profiles->count == NIC_PROFILES_MAX)
        return err_at(err, dir, 0, "found more than %d profiles", NIC_PROFILES_MAX);
    memcpy(name, file_name, name_len);
    name[name_len] = '\0';
    struct conf_doc **doc = &profiles->docs[profiles->count];
    if (json_load(path, doc, err) != 0)
        return -1;
    return parse_profile(*doc, &profiles->items[profiles->count++], name, err);
}

static int is_profile(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len >= 5 && strcmp(entry->d_name + len - 5, ".json") == 0 &&
           strcmp(entry->d_name, "schema.json") != 0;
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void join_names(struct nic_profiles *profiles)
{
    size_t len = 0;
    for (unsigned i = 0; i < profiles->count; i++) {
        int added = snprintf(profiles->names + len, sizeof(profiles->names) - len, "%s%s",
                             i > 0 ? ", " : "", profiles->items[i].name);
        CHECK(added > 0 && (size_t)added < sizeof(profiles->names) - len);
        len += (size_t)added;
    }
}

static int load_folder(struct nic_profiles *profiles, const char *dir, struct err *err)
{
    struct dirent **entries = NULL;
    int result = 0;
    int count = scandir(dir, &entries, is_profile, compare_entries);
    if (count < 0)
        return err_at(err, dir, 0, "NIC profiles cannot be read: %s", strerror(errno));
    if (count == 0)
        result = err_at(err, dir, 0, "found no NIC profiles (*.json)");
    for (int i = 0; i < count; i++) {
        result |= load_file(profiles, dir, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return result;
}

int nic_profiles_load(const char *dir, struct nic_profiles **out, struct err *err)
{
    *out = NULL;
    struct nic_profiles *profiles = calloc(1, sizeof(*profiles));
    if (profiles == NULL)
        return err_at(err, dir, 0, "out of memory");
    if (load_folder(profiles, dir, err) != 0) {
        nic_profiles_free(profiles);
        return -1;
    }
    join_names(profiles);
    *out = profiles;
    return 0;
}

void nic_profiles_free(struct nic_profiles *profiles)
{
    if (profiles == NULL)
        return;
    for (unsigned i = 0; i < NIC_PROFILES_MAX; i++)
        conf_doc_free(profiles->docs[i]);
    free(profiles);
}

/* ---- use ---- */

unsigned nic_profiles_count(const struct nic_profiles *profiles)
{
    return profiles->count;
}

const struct nic_profile *nic_profile_at(const struct nic_profiles *profiles, unsigned index)
{
    return index < profiles->count ? &profiles->items[index] : NULL;
}

const struct nic_profile *nic_profile_find(const struct nic_profiles *profiles, const char *name)
{
    for (unsigned i = 0; i < profiles->count; i++)
        if (strcmp(profiles->items[i].name, name) == 0)
            return &profiles->items[i];
    return NULL;
}

const char *nic_profiles_names(const struct nic_profiles *profiles)
{
    return profiles->names;
}

int nic_profile_device(const struct nic_profile *profile, unsigned index, const char *device,
                       unsigned queue_count, char *text, size_t size)
{
    size_t len = 0;
    for (const char *from = profile->eal_device; *from != '\0';) {
        size_t left = size - len;
        size_t used = *from == '{' ? placeholder_len(from) : 0;
        int added;
        if (used == 0)
            added = snprintf(text + len, left, "%c", *from);
        else if (from[1] == 'd')
            added = snprintf(text + len, left, "%s", device);
        else
            added = snprintf(text + len, left, "%u", from[1] == 'i' ? index : queue_count);
        if (added < 0 || (size_t)added >= left)
            return -ENOSPC;
        len += (size_t)added;
        from += used > 0 ? used : 1;
    }
    return (int)len;
}
