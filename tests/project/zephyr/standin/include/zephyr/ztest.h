/* A stand-in, not Zephyr: tests that list themselves, and two kinds of assertion. */
#ifndef STANDIN_ZTEST_H
#define STANDIN_ZTEST_H

#include <stdio.h>

struct ztest_case {
	const char *name;
	void (*run)(void);
	struct ztest_case *next;
};

void ztest_add(struct ztest_case *added);
void ztest_failed(const char *file, int line);

#define ZTEST(suite, test)                                                                         \
	static void suite##_##test(void);                                                          \
	static struct ztest_case suite##_##test##_case = { #suite "." #test, suite##_##test, NULL }; \
	__attribute__((constructor)) static void suite##_##test##_add(void)                        \
	{                                                                                          \
		ztest_add(&suite##_##test##_case);                                                 \
	}                                                                                          \
	static void suite##_##test(void)

#define ZTEST_SUITE(suite, ...) extern int ztest_suite_##suite

#define zassert_true(condition, ...)                                                               \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf(__VA_ARGS__);                                                       \
			ztest_failed(__FILE__, __LINE__);                                          \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define zassert_equal(a, b, ...) zassert_true((a) == (b), __VA_ARGS__)

#endif
