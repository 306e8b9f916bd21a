/* SPDX-License-Identifier: MPL-2.0
 *
 * geo_ip_decoder.c - where an address is, as a JSON object in a field.
 *
 * Place:   hekad_decoders. The only user of libmaxminddb.
 * Memory:  the database is mapped once for each instance; its pages are shared.
 * Failure: a message without the field, or with an address that the database does not know, goes on
 *          as it is. A damaged database is DECODE_E_LIMIT.
 * Source:  Heka 0.11 GeoIpDecoder, with a .mmdb instead of the legacy database. What such a file
 *          does not have (areacode) is 0; charset is 1, UTF-8.
 */
#include <arpa/inet.h>
#include <maxminddb.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "control/decoders/decoders.h"

enum { ADDRESS_SIZE = 64, CHARSET_UTF8 = 1, JSON_MAX = 16384 };

struct geo_config {
    const char *db_file, *source_ip_field, *target_field;
};

#define GEO(member) .key = #member, .offset = offsetof(struct geo_config, member)
static const struct schema_key keys[] = {
    {GEO(db_file), .type = SCHEMA_STRING, .def = "/usr/share/heka/GeoLite2-City.mmdb",
     .help = "Database of cities, a .mmdb file."},
    {GEO(source_ip_field), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "Field with the address."},
    {GEO(target_field), .type = SCHEMA_STRING, .def = "geoip",
     .help = "Field for the JSON object."},
    {0},
};
static const struct schema schema = {"GeoIpDecoder", keys};

struct geo_state {
    bool is_open;
    MMDB_s database;
    struct buffer json;
};

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    const struct geo_config *options = config;
    struct geo_state *geo = state;
    (void)host;
    if (options->source_ip_field == NULL || options->source_ip_field[0] == '\0')
        return err_add(err, "`source_ip_field` must be specified");
    if (options->target_field[0] == '\0')
        return err_add(err, "`target_field` must be specified");
    int rc = MMDB_open(options->db_file, MMDB_MODE_MMAP, &geo->database);
    if (rc != MMDB_SUCCESS)
        return err_add(err, "Could not open GeoIP database: %s: %s", options->db_file,
                       MMDB_strerror(rc));
    geo->is_open = true;
    geo->json.max_size = JSON_MAX;
    return 0;
}

static void fini(void *state)
{
    struct geo_state *geo = state;
    if (geo->is_open)
        MMDB_close(&geo->database);
    buffer_fini(&geo->json);
    *geo = (struct geo_state){0};
}

/* ---- what the database says ---- */

/* Of ISO 3166-1: the code of two letters and that of three; kept in alphabetical order. */
static const char countries[] =
    "ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA "
    "AZAZE BABIH BBBRB BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES "
    "BRBRA BSBHS BTBTN BVBVT BWBWA BYBLR BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK "
    "CLCHL CMCMR CNCHN COCOL CRCRI CUCUB CVCPV CWCUW CXCXR CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA "
    "DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK FMFSM FOFRO FRFRA "
    "GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS "
    "GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD "
    "IOIOT IQIRQ IRIRN ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA "
    "KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA "
    "LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ "
    "MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER NFNFK NGNGA NINIC "
    "NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM "
    "PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC "
    "SDSDN SESWE SGSGP SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD STSTP SVSLV "
    "SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON TRTUR "
    "TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR "
    "VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE ";

static struct msg_slice country3(struct msg_slice country)
{
    enum { ROW = 6 };
    for (const char *row = countries; country.len == 2 && *row != '\0'; row += ROW)
        if (memcmp(row, country.ptr, 2) == 0)
            return (struct msg_slice){row + 2, 3};
    return (struct msg_slice){"", 0};
}

static struct msg_slice text_at(const MMDB_lookup_result_s *found, const char *const *path)
{
    MMDB_entry_data_s data;
    MMDB_entry_s entry = found->entry;
    if (MMDB_aget_value(&entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
        data.type != MMDB_DATA_TYPE_UTF8_STRING)
        return (struct msg_slice){"", 0};
    return (struct msg_slice){data.utf8_string, data.data_size};
}

static double number_at(const MMDB_lookup_result_s *found, const char *const *path)
{
    MMDB_entry_data_s data;
    MMDB_entry_s entry = found->entry;
    if (MMDB_aget_value(&entry, &data, path) != MMDB_SUCCESS || !data.has_data)
        return 0;
    if (data.type == MMDB_DATA_TYPE_DOUBLE)
        return data.double_value;
    return data.type == MMDB_DATA_TYPE_FLOAT ? (double)data.float_value : 0;
}

#define TEXT_AT(found, ...)   text_at(found, (const char *const[]){__VA_ARGS__, NULL})
#define NUMBER_AT(found, ...) number_at(found, (const char *const[]){__VA_ARGS__, NULL})

static void put_text(struct text *json, const char *name, struct msg_slice value)
{
    text_printf(json, ",\"%s\":", name);
    text_json_string(json, value);
}

/* Numbers as Heka wrote them: of 32 bits, with up to 16 digits. */
static void put_place(struct text *json, const MMDB_lookup_result_s *found)
{
    double latitude = (double)(float)NUMBER_AT(found, "location", "latitude");
    double longitude = (double)(float)NUMBER_AT(found, "location", "longitude");
    text_printf(json, "{\"latitude\":%.16g,\"longitude\":%.16g", latitude, longitude);
    text_printf(json, ",\"location\":[%.16g,%.16g]", longitude, latitude);
    text_printf(json, ",\"coordinates\":[\"%.16g\",\"%.16g\"]", longitude, latitude);
}

static int write_json(struct geo_state *geo, const MMDB_lookup_result_s *found)
{
    buffer_clear(&geo->json);
    struct text json = text_start(&geo->json);
    struct msg_slice country = TEXT_AT(found, "country", "iso_code");
    put_place(&json, found);
    put_text(&json, "countrycode", country);
    put_text(&json, "countrycode3", country3(country));
    put_text(&json, "countryname", TEXT_AT(found, "country", "names", "en"));
    put_text(&json, "region", TEXT_AT(found, "subdivisions", "0", "iso_code"));
    put_text(&json, "city", TEXT_AT(found, "city", "names", "en"));
    put_text(&json, "postalcode", TEXT_AT(found, "postal", "code"));
    text_printf(&json, ",\"areacode\":0,\"charset\":%d", CHARSET_UTF8);
    put_text(&json, "continentcode", TEXT_AT(found, "continent", "code"));
    text_string(&json, "}");
    return text_finish(&json);
}

/* ---- decoding ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
};

static bool read_address(const struct msg_view *message, const char *name, union address *address)
{
    char text[ADDRESS_SIZE];
    struct msg_field field;
    struct msg_slice value;
    if (!msg_field_find(message, name, strlen(name), 0, &field) || field.value_type != MSG_STRING ||
        !msg_field_slice(&field, 0, &value) || value.len >= sizeof(text))
        return false;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    *address = (union address){.ip4 = {.sin_family = AF_INET}};
    if (inet_pton(AF_INET, text, &address->ip4.sin_addr) == 1)
        return true;
    *address = (union address){.ip6 = {.sin6_family = AF_INET6}};
    return inet_pton(AF_INET6, text, &address->ip6.sin6_addr) == 1;
}

/* 1: found, 0: not, or DECODE_E_*. */
static int look_up(struct geo_state *geo, const union address *address, struct decode_io *io)
{
    int code = MMDB_SUCCESS;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&geo->database, &address->any, &code);
    if (code == MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR)
        return 0;
    if (code != MMDB_SUCCESS) {
        if (io->reason != NULL)
            (void)buffer_printf(io->reason, "GeoIP database: %s", MMDB_strerror(code));
        return DECODE_E_LIMIT;
    }
    if (!found.found_entry)
        return 0;
    return write_json(geo, &found) == 0 ? 1 : DECODE_E_ROOM;
}

static int write_message(const struct msg_view *message, const char *name,
                         const struct buffer *json, struct decode_io *io)
{
    struct msg_builder builder;
    size_t capacity = 0;
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL)
        return DECODE_E_ROOM;
    msg_builder_init(&builder, room, capacity);
    msg_builder_raw(&builder, message->bytes, message->size);
    if (json != NULL)
        msg_builder_field_bytes(&builder, name, json->data, json->size, "");
    if (msg_builder_finish(&builder) < 0)
        return DECODE_E_ROOM;
    io->commit(io->context, builder.size);
    return 0;
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    const struct geo_config *options = config;
    struct geo_state *geo = state;
    union address address;
    int rc = 0;
    if (read_address(message, options->source_ip_field, &address))
        rc = look_up(geo, &address, io);
    if (rc < 0)
        return rc;
    return write_message(message, options->target_field, rc == 1 ? &geo->json : NULL, io);
}

const struct decoder_ops geo_ip_decoder = {
    .plugin = {PLUGIN_ABI, "GeoIpDecoder", &schema, sizeof(struct geo_config),
               sizeof(struct geo_state)},
    .init = init,
    .decode = decode,
    .fini = fini,
    .runs_in_hekad = true,
};
