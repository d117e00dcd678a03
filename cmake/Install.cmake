# make install: the module, the static library, its header, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

install(TARGETS wfext LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(TARGETS wfext_static EXPORT wfextTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/ext/wfext.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/wfext")
install(EXPORT wfextTargets NAMESPACE wfext:: DESTINATION "${package_dir}")
set(module_path "${CMAKE_INSTALL_LIBDIR}/${CMAKE_SHARED_LIBRARY_PREFIX}wfext${CMAKE_SHARED_LIBRARY_SUFFIX}")
if(WIN32)
  set(module_path "${CMAKE_INSTALL_LIBDIR}/wfext.dll")
endif()
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/wfextConfig.cmake.in" "${PROJECT_BINARY_DIR}/wfextConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" PATH_VARS module_path NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/wfextConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/wfextConfig.cmake" "${PROJECT_BINARY_DIR}/wfextConfigVersion.cmake"
        DESTINATION "${package_dir}")

configure_file("${PROJECT_SOURCE_DIR}/cmake/wfext.pc.in" "${PROJECT_BINARY_DIR}/wfext.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/wfext.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
