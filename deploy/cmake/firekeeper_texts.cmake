# Files that a program carries with it.

# Writes a C++ source that holds text files: firekeeper_texts(<output> <function>
# <key> <file>…). The function is one of server/telemetry/embedded_texts.h and
# knows a file by its <key>: NAME, or NAME_WE for its name without extension.
function(firekeeper_texts output function key)
  set(rows "")
  foreach(file ${ARGN})
    # Configured anew when it changes.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} ${key})
    file(READ ${file} text)
    if(text MATCHES "\\)embedded\"")
      message(FATAL_ERROR "${file} holds what ends a text of C++: )embedded\"")
    endif()
    string(APPEND rows "      {\"${name}\", R\"embedded(${text})embedded\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT
"#include \"server/telemetry/embedded_texts.h\"

namespace firekeeper::server {

const EmbeddedTexts& @function@() {
  static const auto* const kTexts = new EmbeddedTexts{
@rows@  };
  return *kTexts;
}

}  // namespace firekeeper::server
")
endfunction()
