# The Debian package: `cpack -G DEB --config build/release/CPackConfig.cmake`. What only it has (unit,
# account, configuration) is the component `debian`, which `cmake --install` leaves out.
set(from ${PROJECT_SOURCE_DIR}/deploy/systemd)
install(FILES ${from}/keelwatch.service DESTINATION /usr/lib/systemd/system COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${from}/sysusers.conf DESTINATION /usr/lib/sysusers.d RENAME keelwatch.conf
        COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${from}/keelwatch.yaml DESTINATION /etc/keelwatch COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${from}/default DESTINATION /etc/default RENAME keelwatch COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the keelwatch maintainers <keelwatch@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON) # the unit and /etc are named absolutely
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, passwd")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "keelwatch asks every instance of a PostgreSQL cluster itself, reads the bucket with its backups, and
 says as metrics and alerts what is safe, what is not, and what nobody knows.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${from}/debian/postinst ${from}/debian/prerm ${from}/debian/postrm ${from}/debian/conffiles)
include(CPack)
