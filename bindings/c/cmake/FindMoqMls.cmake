# Finds moq-mls and defines the target MoqMls::MoqMls. Put this folder into CMAKE_MODULE_PATH, and the prefix that
# moq-mls was installed to into CMAKE_PREFIX_PATH. With MOQ_MLS_STATIC on, the static library is taken.

find_path(MoqMls_INCLUDE_DIR NAMES moq_mls.h)
if(MOQ_MLS_STATIC)
  find_library(MoqMls_LIBRARY NAMES libmoq_mls_c.a moq_mls_c.lib)
else()
  find_library(MoqMls_LIBRARY NAMES moq_mls_c)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MoqMls REQUIRED_VARS MoqMls_LIBRARY MoqMls_INCLUDE_DIR)
mark_as_advanced(MoqMls_INCLUDE_DIR MoqMls_LIBRARY)

if(MoqMls_FOUND AND NOT TARGET MoqMls::MoqMls)
  find_package(Threads REQUIRED)
  add_library(MoqMls::MoqMls UNKNOWN IMPORTED)
  set_target_properties(MoqMls::MoqMls PROPERTIES
    IMPORTED_LOCATION "${MoqMls_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${MoqMls_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};$<$<PLATFORM_ID:Linux>:m>")
endif()
