/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_files.c - descriptions, sections of managed filters, their files, and states.
 */
#include "control/sandbox/sandbox_blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/sandbox/sandbox_section.h"
#include "control/sandbox/sandbox_state.h"
#include "control/sandbox/sandbox_store.h"
#include "core/conf.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/heka-sbx-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void write_text(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool exists(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* ---- descriptions ---- */

static void test_blob(void **state)
{
    static const char toml[] = "text = \"a\"\nwhole = 3\npart = 0.5\nyes = true\nlist = [1]\n";
    struct buffer blob = {0};
    struct sandbox_blob_item item;
    struct conf_doc *doc = NULL;
    struct err err = {0};
    double number;
    char folders[256], key[256];
    (void)state;
    assert_int_equal(toml_parse(toml, sizeof(toml) - 1, "x", NULL, &doc, &err), 0);
    assert_int_equal(sandbox_blob_add_text(&blob, "name", "the name"), 0);
    assert_int_equal(sandbox_blob_add_text(&blob, "none", NULL), 0);
    assert_int_equal(sandbox_blob_add_number(&blob, "limit", UINT64_MAX), 0);
    assert_int_equal(sandbox_blob_add_config(&blob, conf_root(doc)), 0);
    snprintf(folders, sizeof(folders), "/nowhere;;%s/modules", dir);
    snprintf(key, sizeof(key), "%s/modules", dir);
    mkdir(key, 0700);
    snprintf(key, sizeof(key), "%s/modules/deep", dir);
    mkdir(key, 0700);
    write_text("modules/deep/a.lua", "return 1");
    write_text("modules/other.txt", "no");
    assert_int_equal(sandbox_blob_add_modules(&blob, folders, &err), 0);
    assert_string_equal(sandbox_blob_text(blob.data, blob.size, "name"), "the name");
    assert_null(sandbox_blob_text(blob.data, blob.size, "none"));
    assert_true(sandbox_blob_number(blob.data, blob.size, "limit") == UINT64_MAX);
    assert_true(sandbox_blob_find(blob.data, blob.size, SANDBOX_BLOB_CONFIG_NUMBER, "part", 4,
                                  &item));
    memcpy(&number, item.value, sizeof(number));
    assert_true(number == 0.5);
    assert_true(sandbox_blob_find(blob.data, blob.size, SANDBOX_BLOB_CONFIG_BOOL, "yes", 3,
                                  &item));
    assert_false(sandbox_blob_find(blob.data, blob.size, SANDBOX_BLOB_CONFIG_TEXT, "list", 4,
                                   &item));
    snprintf(key, sizeof(key), "%s/modules/deep/a.lua", dir);
    assert_true(sandbox_blob_find(blob.data, blob.size, SANDBOX_BLOB_MODULE, key, strlen(key),
                                  &item));
    assert_int_equal(item.size, 8);
    /* Cut anywhere, it ends there. */
    for (size_t size = 0; size < blob.size; size++) {
        char *part = malloc(size + 1);
        memcpy(part, blob.data, size);
        sandbox_blob_find(part, size, SANDBOX_BLOB_MODULE, "x", 1, &item);
        free(part);
    }
    conf_doc_free(doc);
    buffer_fini(&blob);
}

/* ---- sections ---- */

static const struct sandbox_forced forced = {
    .script = "/dir/m-f.lua",
    .module_directory = "/modules",
    .memory_limit = 1,
    .instruction_limit = 2,
    .output_limit = 3,
    .revision = 0xabc,
};

static void test_section(void **state)
{
    static const char text[] =
        "[My Filter]\ntype = \"SandboxFilter\"\nmessage_matcher = \"Type == 'a\\\"b\\n'\"\n"
        "FileName = \"/etc/passwd\"\nmemory_limit = 99\njit = true\nticker_interval = 5\n"
        "[My Filter.config]\nf = 0.25\nlist = [1, 2]\nb = false\n[Another]\nx = 1\n";
    static const char expected[] =
        "[m-My_Filter]\ntype = \"SandboxFilter\"\nfilename = \"/dir/m-f.lua\"\n"
        "module_directory = \"/modules\"\nmemory_limit = 1\ninstruction_limit = 2\n"
        "output_limit = 3\nrevision = \"0000000000000abc\"\n"
        "message_matcher = \"Type == 'a\\\"b\\u000A'\"\nticker_interval = 5\n"
        "\n[m-My_Filter.config]\nf = 0.25000000000000000\nlist = [1, 2]\nb = false\n";
    struct buffer out = {0};
    struct conf_doc *doc = NULL;
    struct err err = {0};
    char name[SANDBOX_SECTION_NAME_SIZE];
    (void)state;
    assert_int_equal(
        sandbox_section_name_of("m", text, sizeof(text) - 1, name, sizeof(name), &err), 0);
    assert_string_equal(name, "m-My_Filter");
    assert_int_equal(sandbox_section_write(text, sizeof(text) - 1, name, &forced, &out, &err), 0);
    assert_string_equal(out.data, expected);
    assert_int_equal(toml_parse(out.data, out.size - 1, "x", NULL, &doc, &err), 0);
    const struct conf_node *section = conf_get(conf_root(doc), name);
    assert_string_equal(conf_get(section, "message_matcher")->str, "Type == 'a\"b\n'");
    conf_doc_free(doc);
    buffer_fini(&out);
}

static void test_bad_sections(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "the config has no section"},
        {"x = 1\n", "the config has no section"},
        {"[a", "config:1"},
        {"[CounterFilter]\n", "Plugin must be a SandboxFilter, received CounterFilter"},
        {"[a]\ntype = \"SandboxFilter\"\nscript_type = \"py\"\n", "unsupported script type: py"},
        {"[a]\ntype = \"SandboxFilter\"\nscript_type = 3\n", "unsupported script type: no text"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = {0};
        struct err err = {0};
        assert_int_equal(sandbox_section_write(cases[i].text, strlen(cases[i].text), "m-a", &forced,
                                               &out, &err),
                         -1);
        assert_int_equal(err.count, 1);
        assert_non_null(strstr(err.texts[0], cases[i].error));
        buffer_fini(&out);
    }
}

static void test_names(void **state)
{
    char name[16];
    (void)state;
    assert_int_equal(sandbox_section_name("my mgr", "a-b.c/d", name, sizeof(name)), 0);
    assert_string_equal(name, "my_mgr-a_b_c_d");
    assert_int_equal(sandbox_section_name("0123456789", "abcd", name, sizeof(name)), 0);
    assert_int_equal(sandbox_section_name("0123456789", "abcde", name, sizeof(name)), -1);
}

/* ---- files ---- */

static struct msg_slice slice(const char *text)
{
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

static void assert_content(const struct sandbox_store *store, const char *suffix, const char *text)
{
    struct buffer out = {0};
    struct err err = {0};
    assert_int_equal(sandbox_store_read(store, "m-f", suffix, &out, &err), 0);
    assert_int_equal(out.size, strlen(text));
    assert_memory_equal(out.data, text, out.size);
    buffer_fini(&out);
}

static void count(void *arg, const char *name)
{
    unsigned *seen = arg;
    assert_string_equal(name, "m-f");
    (*seen)++;
}

static void test_store(void **state)
{
    const struct sandbox_store store = {dir};
    struct err err = {0};
    unsigned seen = 0;
    (void)state;
    assert_int_equal(sandbox_store_put(&store, "m-f", slice("one"), slice("[a]"), &err), 0);
    sandbox_store_keep(&store, "m-f");
    assert_int_equal(sandbox_store_put(&store, "m-f", slice("two"), slice("[b]"), &err), 0);
    assert_content(&store, ".lua", "two");
    sandbox_store_go_back(&store, "m-f");
    assert_content(&store, ".lua", "one");
    assert_content(&store, ".toml", "[a]");
    /* hekad dies before it knows: the old one is what ran */
    assert_int_equal(sandbox_store_put(&store, "m-f", slice("three"), slice("[c]"), &err), 0);
    write_text("mm-g.toml", "another manager's");
    sandbox_store_each(&store, "m", count, &seen);
    assert_int_equal(seen, 1);
    assert_content(&store, ".lua", "one");
    sandbox_store_remove(&store, "m-f");
    assert_false(exists("m-f.lua"));
    assert_false(exists("m-f.toml"));
    /* a new one that did not run */
    assert_int_equal(sandbox_store_put(&store, "m-f", slice("x"), slice("y"), &err), 0);
    sandbox_store_go_back(&store, "m-f");
    assert_false(exists("m-f.lua"));
    const struct sandbox_store nowhere = {"/nowhere/at/all"};
    assert_int_equal(sandbox_store_put(&nowhere, "m-f", slice("x"), slice("y"), &err), -1);
}

static void test_state(void **state)
{
    struct err err = {0};
    struct buffer out = {0};
    (void)state;
    struct sandbox_state *first = sandbox_state_open(dir, "a/b", &err);
    struct sandbox_state *second = sandbox_state_open(dir, "a/b", &err);
    struct sandbox_state *other = sandbox_state_open(dir, "other", &err);
    assert_true(sandbox_state_is_mine(first) && sandbox_state_is_mine(other));
    assert_false(sandbox_state_is_mine(second));
    assert_int_equal(sandbox_state_read(first, &out, &err), 0);
    assert_int_equal(out.size, 0);
    assert_int_equal(sandbox_state_write(first, "bytes", 5), 0);
    assert_true(exists("sandbox_preservation/a_b.data"));
    sandbox_state_close(first);
    assert_true(sandbox_state_is_mine(second));
    assert_int_equal(sandbox_state_read(second, &out, &err), 0);
    assert_int_equal(out.size, 5);
    sandbox_state_remove(second);
    assert_false(exists("sandbox_preservation/a_b.data"));
    sandbox_state_close(other);
    sandbox_state_close(second);
    assert_null(sandbox_state_open("/dev/null/no", "x", &err));
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blob),         cmocka_unit_test(test_section),
        cmocka_unit_test(test_bad_sections), cmocka_unit_test(test_names),
        cmocka_unit_test(test_store),        cmocka_unit_test(test_state),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
