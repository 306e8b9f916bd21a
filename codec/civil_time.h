/* SPDX-License-Identifier: MPL-2.0
 *
 * civil_time.h - days and dates of the Gregorian calendar, extended to all years.
 *
 * Place:   time_zone.c, time_layout.c, time_parser.c.
 * Threads: any, no state.
 * Source:  years begin in March, so that the leap day is the last; an era is 400 years, 146,097
 *          days.
 */
#ifndef CODEC_CIVIL_TIME_H
#define CODEC_CIVIL_TIME_H

#include <stdbool.h>
#include <stdint.h>

enum { CIVIL_DAY_S = 86400 };

struct civil_date {
    int64_t year; /* 0 is the year before 1 */
    int month;    /* 1 to 12 */
    int day;      /* from 1 */
};

/* Quotient rounded down, for positive `by`. */
static inline int64_t civil_floor(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static inline bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int civil_month_days(int64_t year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && civil_is_leap(year));
}

/* Days since 1970-01-01. `day` may lie outside of the month. */
static inline int64_t civil_to_days(int64_t year, int month, int64_t day)
{
    int64_t march_year = year - (month <= 2);
    int64_t era = civil_floor(march_year, 400);
    int64_t year_of_era = march_year - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static inline struct civil_date civil_of_days(int64_t days)
{
    int64_t from_march = days + 719468;
    int64_t era = civil_floor(from_march, 146097);
    int64_t day_of_era = from_march - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    struct civil_date date = {
        .year = year_of_era + era * 400 + (month_from_march >= 10),
        .month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9),
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
    return date;
}

/* 0 is Sunday. */
static inline int civil_weekday(int64_t days)
{
    return (int)(days + 4 - 7 * civil_floor(days + 4, 7));
}

#endif
