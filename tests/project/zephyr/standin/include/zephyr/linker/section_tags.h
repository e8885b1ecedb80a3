/* A stand-in, not Zephyr. */
#ifndef STANDIN_SECTION_TAGS_H
#define STANDIN_SECTION_TAGS_H

#define __noinit __attribute__((section(".noinit")))
#define __dtcm_noinit_section __attribute__((section(".dtcm_noinit")))
#define __ccm_noinit_section __attribute__((section(".ccm_noinit")))

#endif
