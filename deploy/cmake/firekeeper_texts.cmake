# Files that a program carries with it.

# Writes a C++ source that holds text files: firekeeper_texts(<output> <function>
# <file>…). The function has the type of server/telemetry/runbooks.h and knows a
# file by its name without extension.
function(firekeeper_texts output function)
  set(rows "")
  foreach(file ${ARGN})
    # Configured anew when it changes.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} text)
    string(APPEND rows "      {\"${name}\", R\"text(${text})text\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT
"#include \"server/telemetry/runbooks.h\"

namespace firekeeper::server {

const std::map<std::string_view, std::string_view>& @function@() {
  static const auto* const kTexts =
      new std::map<std::string_view, std::string_view>{
@rows@  };
  return *kTexts;
}

}  // namespace firekeeper::server
")
endfunction()
