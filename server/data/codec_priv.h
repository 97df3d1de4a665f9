/* codec_priv.h - how what the data room keeps is read and written: base/codec.h. */
#ifndef GRIDD_DATA_CODEC_PRIV_H
#define GRIDD_DATA_CODEC_PRIV_H

#include "base/codec.h"

#endif
