/* A stand-in, not Zephyr: as there, the names of the sections stand in another header. */
#ifndef STANDIN_SECTION_TAGS_H
#define STANDIN_SECTION_TAGS_H

#define STANDIN_NAME(name) #name
#define STANDIN_SECTION(name) __attribute__((section(STANDIN_NAME(name))))
#define __noinit STANDIN_SECTION(_NOINIT_SECTION_NAME)
#define __dtcm_noinit_section STANDIN_SECTION(_DTCM_NOINIT_SECTION_NAME)
#define __ccm_noinit_section STANDIN_SECTION(_CCM_NOINIT_SECTION_NAME)

#endif
