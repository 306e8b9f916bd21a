/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf_build.h"
#include "core/schema.h"
#include "tests/unit/core/alloc_fail.h"

struct retries {
    int64_t max_delay_ns;
    int64_t max_retries;
};

/* clang-format off */
#define AT(member) offsetof(struct retries, member)
static const struct schema_key retries_keys[] = {
    {.key = "max_delay", .type = SCHEMA_DURATION, .offset = AT(max_delay_ns), .min = 1e6,
     .max = 3600e9, .def = "30s", .help = "cap"},
    {.key = "max_retries", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED,
     .offset = AT(max_retries), .min = -1, .max = INFINITY, .help = "-1 is for ever"},
    {.key = NULL},
};
#undef AT
/* clang-format on */
static const struct schema retries_schema = {"retries", retries_keys};

struct plugin {
    const char *address;
    int64_t ticker_interval_s;
    int64_t any;
    int64_t cpus;
    double percent;
    bool use_tls;
    int promiscuous;
    int full_action;
    struct schema_list subs;
    struct schema_list ports;
    struct schema_list workers;
    struct retries retries;
    const struct conf_node *fields;
};

static const char *const actions[] = {"shutdown", "drop", "block", NULL};

/* clang-format off */
#define AT(member) offsetof(struct plugin, member)
static const struct schema_key plugin_keys[] = {
    {.key = "address", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .offset = AT(address),
     .help = "HOST:PORT"},
    {.key = "ticker_interval", .type = SCHEMA_INT, .offset = AT(ticker_interval_s), .min = 1,
     .max = 86400, .def = "10", .unit = "s", .help = "between two ticks"},
    {.key = "any", .type = SCHEMA_INT, .offset = AT(any)},
    {.key = "cpus", .type = SCHEMA_INT, .flags = SCHEMA_AUTO, .offset = AT(cpus), .min = -INFINITY,
     .max = 64, .def = "auto"},
    {.key = "percent", .type = SCHEMA_FLOAT, .offset = AT(percent), .min = 0, .max = 100,
     .def = "99.5", .unit = "%"},
    {.key = "use_tls", .type = SCHEMA_BOOL, .offset = AT(use_tls), .def = "true"},
    {.key = "promiscuous", .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO, .offset = AT(promiscuous),
     .def = "auto"},
    {.key = "full_action", .type = SCHEMA_CHOICE, .offset = AT(full_action), .choices = actions,
     .def = "drop"},
    {.key = "subs", .type = SCHEMA_STRINGS, .offset = AT(subs), .def = "a,b c,,d"},
    {.key = "ports", .type = SCHEMA_INTS, .offset = AT(ports), .min = 1, .max = 65535,
     .def = "25,587"},
    {.key = "workers", .type = SCHEMA_INTS, .flags = SCHEMA_AUTO, .offset = AT(workers),
     .def = "auto"},
    {.key = "retries", .type = SCHEMA_TABLE, .offset = AT(retries), .sub = &retries_schema},
    {.key = "fields", .type = SCHEMA_NODE, .flags = SCHEMA_EXACT, .offset = AT(fields)},
    {.key = NULL},
};
#undef AT
/* clang-format on */
static const struct schema plugin_schema = {"TestInput", plugin_keys};

struct common {
    const char *type;
    const char *matcher;
};
static const struct schema_key common_keys[] = {
    {.key = "type", .type = SCHEMA_STRING, .offset = offsetof(struct common, type)},
    {.key = "message_matcher", .type = SCHEMA_STRING, .offset = offsetof(struct common, matcher)},
    {.key = NULL},
};
static const struct schema common_schema = {"common", common_keys};

static struct err err;
static struct plugin plugin;

static struct conf_doc *parse(const char *text)
{
    struct conf_doc *doc = NULL;
    err = (struct err){0};
    memset(&plugin, 0x55, sizeof(plugin)); /* nothing may be left as it was */
    assert_int_equal(toml_parse(text, strlen(text), "x", NULL, &doc, &err), 0);
    return doc;
}

static int apply(struct conf_doc *doc)
{
    return schema_apply(&plugin_schema, conf_root(doc), "T", NULL, doc, &plugin, &err);
}

static const char *text_at(const struct schema_list *list, size_t index)
{
    assert_true(index < list->count);
    return ((const char *const *)list->items)[index];
}

static int64_t int_at(const struct schema_list *list, size_t index)
{
    assert_true(index < list->count);
    return ((const int64_t *)list->items)[index];
}

static void defaults_are_applied(void **state)
{
    (void)state;
    struct conf_doc *doc = parse("address = 'a'\n");
    assert_int_equal(apply(doc), 0);
    assert_string_equal(plugin.address, "a");
    assert_int_equal(plugin.ticker_interval_s, 10);
    assert_int_equal(plugin.any, 0);
    assert_true(plugin.cpus == SCHEMA_AUTO_VALUE);
    assert_true(plugin.percent == 99.5);
    assert_true(plugin.use_tls);
    assert_int_equal(plugin.promiscuous, SCHEMA_AUTO_BOOL);
    assert_int_equal(plugin.full_action, 1);
    assert_int_equal(plugin.subs.count, 4);
    assert_string_equal(text_at(&plugin.subs, 1), "b c");
    assert_string_equal(text_at(&plugin.subs, 2), "");
    assert_string_equal(text_at(&plugin.subs, 3), "d");
    assert_int_equal(plugin.ports.count, 2);
    assert_int_equal(int_at(&plugin.ports, 1), 587);
    assert_int_equal(plugin.workers.count, 0);
    assert_null(plugin.workers.items);
    assert_int_equal(plugin.retries.max_delay_ns, INT64_C(30000000000));
    assert_int_equal(plugin.retries.max_retries, 0);
    assert_null(plugin.fields);
    conf_doc_free(doc);
}

static void values_are_applied(void **state)
{
    (void)state;
    struct conf_doc *doc =
        parse("ADDRESS = 'a'\nticker_interval = 86400\nany = -9223372036854775808\ncpus = -5\n"
              "percent = 7\nuse_tls = false\npromiscuous = false\nfull_action = 'block'\n"
              "subs = ['x']\nports = [1, 65535]\nworkers = [3]\n[retries]\nmax_delay = '1h'\n"
              "max_retries = -1\n[fields]\nany = 'thing'\n");
    assert_int_equal(apply(doc), 0);
    assert_int_equal(err.count, 0);
    assert_string_equal(plugin.address, "a");
    assert_int_equal(plugin.ticker_interval_s, 86400);
    assert_true(plugin.any == INT64_MIN);
    assert_int_equal(plugin.cpus, -5);
    assert_true(plugin.percent == 7);
    assert_false(plugin.use_tls);
    assert_int_equal(plugin.promiscuous, 0);
    assert_int_equal(plugin.full_action, 2);
    assert_int_equal(plugin.subs.count, 1);
    assert_int_equal(int_at(&plugin.ports, 1), 65535);
    assert_int_equal(int_at(&plugin.workers, 0), 3);
    assert_int_equal(plugin.retries.max_delay_ns, INT64_C(3600000000000));
    assert_int_equal(plugin.retries.max_retries, -1);
    assert_int_equal(plugin.fields->count, 1);
    conf_doc_free(doc);
}

static void auto_is_a_value(void **state)
{
    (void)state;
    struct conf_doc *doc =
        parse("address = 'auto'\ncpus = 'auto'\npromiscuous = 'auto'\nworkers = 'auto'\n");
    assert_int_equal(apply(doc), 0);
    assert_string_equal(plugin.address, "auto");
    assert_true(plugin.cpus == SCHEMA_AUTO_VALUE);
    assert_int_equal(plugin.promiscuous, SCHEMA_AUTO_BOOL);
    assert_int_equal(plugin.workers.count, 0);
    conf_doc_free(doc);
}

static void check_texts(const char *text, const char *const *expected, unsigned count)
{
    struct conf_doc *doc = parse(text);
    assert_int_equal(apply(doc), -1);
    for (unsigned i = 0; i < count; i++)
        assert_string_equal(err.texts[i], expected[i]);
    assert_int_equal(err.count, count);
    conf_doc_free(doc);
}

static void all_errors_are_reported(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "x:1: address: found 1000, allowed a string",
        "x:2: ticker_interval: found -3, allowed 1 to 86400 s",
        "x:3: any: found 1.5, allowed an integer",
        "x:4: cpus: found 65, allowed \"auto\" or at most 64",
        "x:5: percent: found \"all\", allowed 0 to 100 %",
        "x:6: use_tls: found \"auto\", allowed true or false",
        "x:7: promiscuous: found 1, allowed \"auto\", true or false",
        "x:8: full_action: found \"Drop\", allowed \"shutdown\", \"drop\" or \"block\"",
        "x:10: subs: found a date, allowed a list of strings",
        "x:12: ports: found 0, allowed a list of integers, each 1 to 65535",
        "x:13: ports: found 65536, allowed a list of integers, each 1 to 65535",
        "x:15: workers: found an empty list",
        "x:17: max_delay: found \"2h\", allowed a duration as \"250ms\" or \"1h30m\", 1ms to 1h",
        "x:18: max_retries: found -2, allowed at least -1",
        "x:19: unknown config setting for 'T.retries': delay",
        "x:20: unknown config setting for 'T': Fields (did you mean 'fields'?)",
    };
    check_texts("address = 1000\nticker_interval = -3\nany = 1.5\ncpus = 65\npercent = 'all'\n"
                "use_tls = 'auto'\npromiscuous = 1\nfull_action = 'Drop'\nsubs = [\n"
                "2001-01-01T00:00:00Z]\nports = [\n0,\n65536,\n1]\nworkers = []\n"
                "[retries]\nmax_delay = '2h'\nmax_retries = -2\ndelay = 1\n[Fields]\n",
                expected, sizeof(expected) / sizeof(expected[0]));
}

static void wrong_kinds_are_named(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "x:4: ticker_interval: found a table, allowed 1 to 86400 s",
        "x:1: full_action: found true, allowed \"shutdown\", \"drop\" or \"block\"",
        "x:2: subs: found \"a\", allowed a list of strings",
        "x:3: retries: found an array, allowed a table",
    };
    struct conf_doc *doc = parse("full_action = true\nsubs = 'a'\nretries = [1]\n"
                                 "[ticker_interval]\n");
    assert_int_equal(schema_apply(&plugin_schema, conf_root(doc), "T", NULL, doc, &plugin, &err),
                     -1);
    assert_string_equal(err.texts[0], "x:1: address: missing in 'T', required is a string");
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(err.texts[i + 1], expected[i]);
    assert_int_equal(err.count, 5);
    conf_doc_free(doc);
}

static void found_texts_are_short_and_visible(void **state)
{
    (void)state;
    struct conf_doc *doc =
        parse("a = \"\\t\\u0000\\u007f\"\n"
              "b = '12345678901234567890123456789012345678901234567890123456789\xc3\xa9x'\n"
              "c = '123456789012345678901234567890123456789012345678901234567890'\n");
    char text[256];
    schema_found(conf_get(conf_root(doc), "a"), text, sizeof(text));
    assert_string_equal(text, "\"\\u0009\\u0000\\u007f\"");
    schema_found(conf_get(conf_root(doc), "b"), text, sizeof(text));
    assert_string_equal(text, "\"12345678901234567890123456789012345678901234567890123456789...\"");
    schema_found(conf_get(conf_root(doc), "c"), text, sizeof(text));
    assert_string_equal(text, "\"123456789012345678901234567890123456789012345678901234567890\"");
    schema_found(conf_get(conf_root(doc), "c"), text, 8);
    assert_string_equal(text, "\"123456");
    conf_doc_free(doc);
}

static void nul_in_a_string_is_refused(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "x:1: address: found a NUL byte in a string, allowed is text without",
        "x:2: full_action: found \"drop\\u0000\", allowed \"shutdown\", \"drop\" or \"block\"",
        "x:3: subs: found \"a\\u0000\", allowed a list of strings",
    };
    check_texts("address = \"a\\u0000b\"\nfull_action = \"drop\\u0000\"\nsubs = [\"a\\u0000\"]\n",
                expected, 3);
}

static void two_spellings_of_one_key_are_refused(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "x:2: address: found again as 'address', first in line 1 as 'Address'"};
    check_texts("Address = 'a'\naddress = 'b'\n", expected, 1);
}

static void unknown_keys_get_a_hint(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "x:2: unknown config setting for 'T': adress (did you mean 'address'?)",
        "x:3: unknown config setting for 'T': tikcer_interval (did you mean 'ticker_interval'?)",
        "x:4: unknown config setting for 'T': usetls (did you mean 'use_tls'?)",
        "x:5: unknown config setting for 'T': sub (did you mean 'subs'?)",
        "x:6: unknown config setting for 'T': completely_different",
        "x:7: unknown config setting for 'T': x",
        "x:8: unknown config setting for 'T': FULLACTION (did you mean 'full_action'?)",
        ("x:9: unknown config setting for 'T': "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    };
    check_texts("address = 'a'\nadress = 'a'\ntikcer_interval = 1\nusetls = 1\nsub = 1\n"
                "completely_different = 1\nx = 1\nFULLACTION = 1\n"
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1\n",
                expected, sizeof(expected) / sizeof(expected[0]));
}

/* Two schemas over one table: each knows the other's keys, an unknown one is reported once. */
static void schemas_share_a_table(void **state)
{
    (void)state;
    struct common common;
    const struct schema *const with_common[] = {&common_schema, NULL};
    const struct schema *const with_plugin[] = {&plugin_schema, NULL};
    struct conf_doc *doc = parse("type = 'x'\naddress = 'a'\nmessage_macher = 'TRUE'\n");
    assert_int_equal(
        schema_apply(&plugin_schema, conf_root(doc), "T", with_common, doc, &plugin, &err), -1);
    assert_int_equal(
        schema_apply(&common_schema, conf_root(doc), "T", with_plugin, doc, &common, &err), -1);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], "x:3: unknown config setting for 'T': message_macher (did "
                                      "you mean 'message_matcher'?)");
    assert_string_equal(common.type, "x");
    conf_doc_free(doc);
}

static void no_table_means_defaults_only(void **state)
{
    (void)state;
    struct retries retries;
    err = (struct err){0};
    assert_int_equal(schema_apply(&retries_schema, NULL, "T", NULL, NULL, &retries, &err), -1);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], "max_retries: missing in 'T', required is at least -1");
    assert_int_equal(retries.max_delay_ns, INT64_C(30000000000));
    struct common common = {"x", "y"};
    assert_int_equal(schema_apply(&common_schema, NULL, "T", NULL, NULL, &common, NULL), 0);
    assert_null(common.type);
}

static void not_a_table_is_refused(void **state)
{
    (void)state;
    struct conf_doc *doc = parse("a = 5\n");
    assert_int_equal(
        schema_apply(&common_schema, conf_get(conf_root(doc), "a"), "T", NULL, doc, &plugin, &err),
        -1);
    assert_string_equal(err.texts[0], "x:1: T: found 5, allowed a table");
    conf_doc_free(doc);
}

static void durations_are_go_s(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"0s", 0},
        {"250ms", 250000000},
        {"1h2m3s4ms5us6ns", 3723004005006},
        {"1.5s", 1500000000},
        {".5s", 500000000},
        {"1.s", 1000000000},
        {"-1m", -60000000000},
        {"+1ns", 1},
        {"1us", 1000},
        {"1\xc2\xb5s", 1000},
        {"1\xce\xbcs", 1000},
        {"30s1m", 90000000000},
        {"0.000000001s", 1},
        {"0.0000000001s", 0},
        {"1.23456789012345678901234567890s", 1234567890},
        {"720h", INT64_C(2592000000000000)},
        {"9223372036854775807ns", INT64_MAX},
        {"0.1h", 360000000000},
        {"0.999999999999999999h", 3599999999999},
    };
    static const char *const bad[] = {
        "",
        "1",
        "s",
        "-",
        "+",
        ".",
        ".s",
        "1.5",
        "1x",
        "1 s",
        " 1s",
        "1s ",
        "1S",
        "--1s",
        "1e3s",
        "9223372036854775808ns",
        "2562048h",
        "1d",
        "3s5",
        "9223372036854775807ns1ns",
        "1s-1s",
        "s1",
        "99999999999999999999s",
        "0x1s",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ns = -99;
        assert_int_equal(schema_duration(good[i].text, &ns), 0);
        assert_true(ns == good[i].ns);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ns;
        assert_int_equal(schema_duration(bad[i], &ns), -1);
    }
}

static void check_print(void (*print)(FILE *out), const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void print_markdown(FILE *out)
{
    schema_print_markdown(&plugin_schema, out);
}

static void manual_comes_from_the_table(void **state)
{
    (void)state;
    check_print(print_markdown,
                "| Key of TestInput | Allowed | Default | Meaning |\n|---|---|---|---|\n"
                "| `address` | a string | required | HOST:PORT |\n"
                "| `ticker_interval` | 1 to 86400 s | `10` | between two ticks |\n"
                "| `any` | an integer | none |  |\n"
                "| `cpus` | \"auto\" or at most 64 | `auto` |  |\n"
                "| `percent` | 0 to 100 % | `99.5` |  |\n"
                "| `use_tls` | true or false | `true` |  |\n"
                "| `promiscuous` | \"auto\", true or false | `auto` |  |\n"
                "| `full_action` | \"shutdown\", \"drop\" or \"block\" | `drop` |  |\n"
                "| `subs` | a list of strings | `a,b c,,d` |  |\n"
                "| `ports` | a list of integers, each 1 to 65535 | `25,587` |  |\n"
                "| `workers` | \"auto\" or a list of integers | `auto` |  |\n"
                "| `retries` | a table | none |  |\n"
                "| `retries.max_delay` | a duration as \"250ms\" or \"1h30m\", 1ms to 1h | `30s` | "
                "cap |\n"
                "| `retries.max_retries` | at least -1 | required | -1 is for ever |\n"
                "| `fields` | see the text | none |  |\n");
}

static void print_json(FILE *out)
{
    schema_print_json(&plugin_schema, "t", out);
}

/* The text is JSON, and says what the table says. */
static void json_schema_comes_from_the_table(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    struct conf_doc *doc;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print_json(out);
    fclose(out);
    err = (struct err){0};
    assert_int_equal(json_parse(text, size, "schema", &doc, &err), 0);
    const struct conf_node *keys = conf_get(conf_root(doc), "properties");
    assert_int_equal(keys->count, 13);
    const struct conf_node *ticker = conf_get(keys, "ticker_interval");
    assert_string_equal(conf_get(ticker, "type")->str, "integer");
    assert_int_equal(conf_get(ticker, "minimum")->i, 1);
    assert_int_equal(conf_get(ticker, "maximum")->i, 86400);
    assert_int_equal(conf_get(ticker, "default")->i, 10);
    const struct conf_node *cpus = conf_get(keys, "cpus");
    assert_string_equal(conf_get(cpus, "default")->str, "auto");
    assert_string_equal(conf_get(conf_get(cpus, "anyOf")->first, "const")->str, "auto");
    const struct conf_node *retries = conf_get(keys, "retries");
    assert_string_equal(conf_get(retries, "required")->first->str, "max_retries");
    assert_int_equal(conf_get(conf_get(keys, "full_action"), "enum")->count, 3);
    conf_doc_free(doc);
    free(text);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (bool has_failed = true; has_failed; failures++) {
        struct conf_doc *doc = parse("address = 'a'\n");
        while (doc->arena.used_bytes < 4096 - 32) /* what comes next needs a new chunk */
            assert_non_null(arena_alloc(&doc->arena, 16));
        alloc_fail_at(failures);
        int rc = apply(doc);
        has_failed = alloc_fail_stop();
        assert_int_equal(rc, has_failed ? -1 : 0);
        assert_int_equal(err.count > 0, has_failed);
        conf_doc_free(doc);
    }
    assert_true(failures > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_applied),
        cmocka_unit_test(values_are_applied),
        cmocka_unit_test(auto_is_a_value),
        cmocka_unit_test(all_errors_are_reported),
        cmocka_unit_test(wrong_kinds_are_named),
        cmocka_unit_test(found_texts_are_short_and_visible),
        cmocka_unit_test(nul_in_a_string_is_refused),
        cmocka_unit_test(two_spellings_of_one_key_are_refused),
        cmocka_unit_test(unknown_keys_get_a_hint),
        cmocka_unit_test(schemas_share_a_table),
        cmocka_unit_test(no_table_means_defaults_only),
        cmocka_unit_test(not_a_table_is_refused),
        cmocka_unit_test(durations_are_go_s),
        cmocka_unit_test(manual_comes_from_the_table),
        cmocka_unit_test(json_schema_comes_from_the_table),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
