/* SPDX-License-Identifier: MPL-2.0
 *
 * Loading of NIC profiles, and the profiles of this repository. Error texts are golden cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/nic_profile.h"
#include "tests/support/test_dir.h"
#include "tests/unit/core/alloc_fail.h"

static const char profile_dir[] = TEST_SOURCE_DIR "/../nic-profiles";
static const char test_profile_dir[] = TEST_SOURCE_DIR "/golden/core_map/profiles";

static struct err err;

static struct nic_profiles *load(const char *dir)
{
    struct nic_profiles *profiles = NULL;
    err = (struct err){0};
    int rc = nic_profiles_load(dir, &profiles, &err);
    err_print(&err, stderr);
    assert_int_equal(rc, 0);
    assert_int_equal(err.count, 0);
    return profiles;
}

static void file_text(const char *path, struct buffer *text)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t got = 1;
    while (got > 0) {
        assert_int_equal(buffer_reserve(text, 4096), 0);
        got = fread(text->data + text->size, 1, 4096, file);
        text->size += got;
    }
    fclose(file);
}

/* The profiles that operators are promised. */
static void profiles_of_the_repository_are_good(void **state)
{
    (void)state;
    static const char *const names[] = {
        "af_packet", "af_xdp", "ena",       "i40e", "ice", "ixgbe", "memif",  "mlx5",
        "null",      "pcap",   "pcap_live", "pcap_loop", "ring", "tap", "vhost", "virtio",
        "virtio_user",
    };
    struct nic_profiles *profiles = load(profile_dir);
    assert_int_equal(nic_profiles_count(profiles), sizeof(names) / sizeof(names[0]));
    for (unsigned i = 0; i < nic_profiles_count(profiles); i++) {
        const struct nic_profile *profile = nic_profile_at(profiles, i);
        assert_string_equal(profile->name, names[i]);
        assert_ptr_equal(nic_profile_find(profiles, names[i]), profile);
        assert_true(profile->burst <= profile->rx_descriptors);
        assert_true(profile->device_help[0] != '\0' && profile->needs[0] != '\0');
        /* only real devices have RSS; nothing that sleeps is one that must not lose frames */
        assert_true(!profile->rss || (profile->bus == NIC_PCI && !profile->sleeps));
        assert_true(profile->rss || profile->queues_auto == 1);
    }
    assert_null(nic_profile_at(profiles, nic_profiles_count(profiles)));
    assert_null(nic_profile_find(profiles, "schema"));
    nic_profiles_free(profiles);
}

static void readme_holds_the_table(void **state)
{
    (void)state;
    char path[4096];
    struct buffer file = {0};
    char *text = NULL;
    size_t size;
    snprintf(path, sizeof(path), "%s/README.md", profile_dir);
    file_text(path, &file);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    schema_print_markdown(&nic_profile_schema, out);
    fclose(out);
    if (memmem(file.data, file.size, text, size) == NULL)
        fail_msg("%s must hold:\n%s", path, text);
    free(text);
    buffer_fini(&file);
}

static void names_are_listed_in_order(void **state)
{
    (void)state;
    struct nic_profiles *profiles = load(test_profile_dir);
    assert_string_equal(nic_profiles_names(profiles), "nic16, none, soft1");
    assert_null(nic_profile_find(profiles, "nic"));
    nic_profiles_free(profiles);
    nic_profiles_free(NULL);
}

static void device_argument_is_filled_in(void **state)
{
    (void)state;
    struct nic_profiles *profiles = load(test_profile_dir);
    const struct nic_profile *soft = nic_profile_find(profiles, "soft1");
    const struct nic_profile *nic = nic_profile_find(profiles, "nic16");
    char text[64];
    assert_int_equal(nic_profile_device(soft, 3, "eth1", 2, text, sizeof(text)), 24);
    assert_string_equal(text, "net_soft3,iface=eth1,q=2");
    assert_int_equal(nic_profile_device(nic, 3, "0000:3b:00.0", 2, text, sizeof(text)), 12);
    assert_string_equal(text, "0000:3b:00.0");
    assert_int_equal(nic_profile_device(soft, 3, "{index}", 2, text, sizeof(text)), 27);
    assert_string_equal(text, "net_soft3,iface={index},q=2");
    for (size_t size = 1; size <= 24; size++)
        assert_int_equal(nic_profile_device(soft, 3, "eth1", 2, text, size), -ENOSPC);
    assert_int_equal(nic_profile_device(soft, 3, "eth1", 2, text, 25), 24);
    nic_profiles_free(profiles);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void bad_folders_are_refused(void **state)
{
    (void)state;
    char dir[] = "/tmp/heka-profiles-XXXXXX", path[64], expected[256];
    struct nic_profiles *profiles = (struct nic_profiles *)&err; /* must become NULL */
    err = (struct err){0};
    assert_int_equal(nic_profiles_load("/nonexistent", &profiles, &err), -1);
    assert_null(profiles);
    assert_string_equal(err.texts[0],
                        "/nonexistent: NIC profiles cannot be read: No such file or directory");
    assert_int_equal(test_dir_make(dir), 0);
    err = (struct err){0};
    assert_int_equal(nic_profiles_load(dir, &profiles, &err), -1);
    snprintf(expected, sizeof(expected), "%s: found no NIC profiles (*.json)", dir);
    assert_string_equal(err.texts[0], expected);
    for (unsigned i = 0; i <= NIC_PROFILES_MAX; i++) { /* each with an error, one too many */
        snprintf(path, sizeof(path), "%s/p%02u.json", dir, i);
        write_file(path, "{\n\"a\": 1,\n}");
    }
    err = (struct err){0};
    assert_int_equal(nic_profiles_load(dir, &profiles, &err), -1);
    assert_int_equal(err.count, NIC_PROFILES_MAX + 1);
    for (unsigned i = 0; i <= NIC_PROFILES_MAX; i++) {
        snprintf(path, sizeof(path), "%s/p%02u.json", dir, i);
        unlink(path);
    }
    rmdir(dir);
}

static void as_many_profiles_as_allowed(void **state)
{
    (void)state;
    char dir[] = "/tmp/heka-profiles-XXXXXX", path[128], expected[256];
    struct nic_profiles *profiles = NULL;
    assert_int_equal(test_dir_make(dir), 0);
    for (unsigned i = 0; i <= NIC_PROFILES_MAX; i++) {
        snprintf(path, sizeof(path), "%s/a_name_of_as_much_as_31_bytes%02u.json", dir, i);
        write_file(path, "{\"driver\": \"d\", \"bus\": \"pci\", \"eal_device\": \"x\", "
                         "\"device_help\": \"x\", \"queues_max\": 1, \"rx_descriptors\": 64, "
                         "\"tx_descriptors\": 64, \"mtu_max\": 1500, \"needs\": \"x\"}");
        if (i + 1 != NIC_PROFILES_MAX)
            continue;
        profiles = load(dir);
        assert_int_equal(nic_profiles_count(profiles), NIC_PROFILES_MAX);
        nic_profiles_free(profiles);
    }
    err = (struct err){0};
    assert_int_equal(nic_profiles_load(dir, &profiles, &err), -1);
    snprintf(expected, sizeof(expected), "%s: found more than 64 profiles", dir);
    assert_string_equal(err.texts[0], expected);
    assert_int_equal(test_dir_remove(dir), 0);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (bool has_failed = true; has_failed; failures++) {
        struct nic_profiles *profiles = NULL;
        err = (struct err){0};
        alloc_fail_at(failures);
        int rc = nic_profiles_load(test_profile_dir, &profiles, &err);
        has_failed = alloc_fail_stop();
        assert_int_equal(rc, has_failed ? -1 : 0);
        assert_int_equal(err.count > 0, has_failed);
        nic_profiles_free(profiles);
    }
    assert_true(failures > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_of_the_repository_are_good),
        cmocka_unit_test(readme_holds_the_table),
        cmocka_unit_test(names_are_listed_in_order),
        cmocka_unit_test(device_argument_is_filled_in),
        cmocka_unit_test(bad_folders_are_refused),
        cmocka_unit_test(as_many_profiles_as_allowed),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
