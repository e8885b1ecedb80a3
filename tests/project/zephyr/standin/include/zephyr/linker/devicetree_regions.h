/* A stand-in, not Zephyr. */
#ifndef STANDIN_DEVICETREE_REGIONS_H
#define STANDIN_DEVICETREE_REGIONS_H

#define STANDIN_STRING(text) #text
#define LINKER_DT_NODE_REGION_NAME(node) STANDIN_STRING(node)

#endif
