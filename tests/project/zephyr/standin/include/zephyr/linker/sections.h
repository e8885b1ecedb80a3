/* A stand-in, not Zephyr. */
#ifndef STANDIN_SECTIONS_H
#define STANDIN_SECTIONS_H

#define _NOINIT_SECTION_NAME .noinit
#define _DTCM_NOINIT_SECTION_NAME .dtcm_noinit
#define _CCM_NOINIT_SECTION_NAME .ccm_noinit

#endif
