const char *s = __DATE__ __TIME__ __TIMESTAMP__;
CAT(__DA, TE__) CAT3(__, /* x */ DATE, __)
#define D __TI##ME__
