/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * init.c -- the module `shark_turbine._runtime`.
 */
#include "binding.h"

#include <string.h>

PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    const char *dot = strrchr(spec->name, '.');

    if (type && PyModule_AddObjectRef(module, dot + 1, type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "shark_turbine._runtime",
    .m_doc = "Turbine's runtime: load .vmfb modules and call them.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__runtime(void);

PyMODINIT_FUNC
PyInit__runtime(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyObject *table = NULL;

    if (!module)
        return NULL;
    table = dtype_table();
    if (!table || PyModule_AddObjectRef(module, "DTYPES", table) < 0 ||
        device_init(module) < 0 || module_init(module) < 0 || tensor_init(module) < 0 ||
        params_init(module) < 0 || session_init(module) < 0 || profile_init(module) < 0 ||
        bound_init(module) < 0 || specialize_init(module) < 0 || direct_init(module) < 0 ||
        torch_init() < 0 || convert_init() < 0)
        Py_CLEAR(module);
    Py_XDECREF(table);
    return module;
}
