/* A stand-in, not Zephyr: runs the tests that listed themselves. */
#include <stdio.h>

#include <zephyr/ztest.h>

static struct ztest_case *cases;
static int failures;

void ztest_add(struct ztest_case *added)
{
	added->next = cases;
	cases = added;
}

void ztest_failed(const char *file, int line)
{
	printf(" (%s:%d)\n", file, line);
	failures++;
}

int main(void)
{
	int run = 0;

	for (struct ztest_case *c = cases; c != NULL; c = c->next) {
		const int before = failures;

		c->run();
		printf("%s - %s\n", failures == before ? "PASS" : "FAIL", c->name);
		run++;
	}
	printf("%d tests, %d failures\n", run, failures);
	return failures;
}
