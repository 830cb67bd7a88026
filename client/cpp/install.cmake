# What a trainer of another project links: find_package(firekeeper), or
# pkg-config firekeeper. One component, so that
# `cmake --install BUILD --component client` needs nothing else built.

include(CMakePackageConfigHelpers)

set(include_dir ${CMAKE_INSTALL_INCLUDEDIR}/firekeeper)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/firekeeper)

# Static libraries bring their own dependencies along.
set(libraries firekeeper_client firekeeper_core firekeeper_proto)
foreach(library IN LISTS libraries)
  string(REPLACE firekeeper_ "" export_name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${export_name})
  # SYSTEM: their warnings are not the consumer's.
  target_include_directories(${library} SYSTEM
                             INTERFACE $<INSTALL_INTERFACE:${include_dir}>)
  target_compile_features(${library} INTERFACE cxx_std_20)
endforeach()
install(
  TARGETS ${libraries}
  EXPORT firekeeper
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT client)
install(
  EXPORT firekeeper
  NAMESPACE firekeeper::
  FILE firekeeper-targets.cmake
  DESTINATION ${package_dir}
  COMPONENT client)
install(TARGETS firekeeper_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
                                           COMPONENT client)

# Headers keep their path below the repository's root.
install(
  FILES connection.h diagnostics_client.h grpc_status.h layer_spec.h watcher.h
        watcher_options.h
  DESTINATION ${include_dir}/client/cpp
  COMPONENT client)
install(
  DIRECTORY ${PROJECT_SOURCE_DIR}/core/
  DESTINATION ${include_dir}/core
  COMPONENT client
  FILES_MATCHING
  PATTERN "*.h"
  PATTERN kernels EXCLUDE)
install(
  DIRECTORY ${PROJECT_BINARY_DIR}/proto/firekeeper
  DESTINATION ${include_dir}
  COMPONENT client
  FILES_MATCHING
  PATTERN "*.pb.h")

configure_package_config_file(
  firekeeper-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/firekeeper-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/firekeeper-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(
  FILES ${CMAKE_CURRENT_BINARY_DIR}/firekeeper-config.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/firekeeper-config-version.cmake
  DESTINATION ${package_dir}
  COMPONENT client)

# The way up from the .pc file, however deep lib is (lib, lib64, lib/x86_64-…).
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY
           ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig
           OUTPUT_VARIABLE firekeeper_prefix)
configure_file(firekeeper.pc.in ${CMAKE_CURRENT_BINARY_DIR}/firekeeper.pc @ONLY)
install(
  FILES ${CMAKE_CURRENT_BINARY_DIR}/firekeeper.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT client)
